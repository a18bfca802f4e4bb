//! What the kernel's configuration says of a conditional.

/// Whether a conditional holds where these options are set, every other `CONFIG_` is not, and these other macros are not defined.
/// None: it is about something else too.
pub fn configured(directive: &str, config: &[String], undefined: &[String]) -> Option<bool> {
    let text = directive.trim_start_matches('#').trim_start();
    let (word, rest) = text.split_once(|c: char| !c.is_ascii_alphanumeric()).unwrap_or((text, ""));
    let is_set = |name: &str| config.iter().any(|set| set == name);
    let never = |name: &str| undefined.iter().any(|other| other == name);
    let known = |name: &str| (name.starts_with("CONFIG_") || is_set(name) || never(name)).then(|| is_set(name));
    let rest = rest.trim();
    match word {
        "ifdef" if rest.starts_with("CONFIG_") || is_set(rest) => Some(is_set(rest)),
        "ifndef" if rest.starts_with("CONFIG_") || is_set(rest) => Some(!is_set(rest)),
        "ifdef" | "ifndef" => never(rest).then_some(word == "ifndef"),
        "if" | "elif" => Expression { words: lex(rest), at: 0, known: &known }.whole(),
        _ => None,
    }
}

fn lex(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_whitespace() || c == '\\' {
            continue;
        }
        let mut word = String::from(c);
        let name = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
        if name(&c) {
            while let Some(next) = chars.next_if(name) {
                word.push(next);
            }
        } else if let Some(next) = chars.next_if(|next| *next == c && (c == '&' || c == '|')) {
            word.push(next);
        }
        words.push(word);
    }
    words
}

/// A condition of `defined()`, `IS_ENABLED()`, `&&`, `||`, `!` and parentheses over the configuration.
struct Expression<'a> {
    words: Vec<String>,
    at: usize,
    /// Whether a macro is defined, if that is known.
    known: &'a dyn Fn(&str) -> Option<bool>,
}

impl Expression<'_> {
    fn whole(mut self) -> Option<bool> {
        let value = self.either()?;
        (self.at == self.words.len()).then_some(value)
    }

    fn take(&mut self, word: &str) -> bool {
        let there = self.words.get(self.at).is_some_and(|w| w == word);
        self.at += usize::from(there);
        there
    }

    fn either(&mut self) -> Option<bool> {
        let mut value = self.both()?;
        while self.take("||") {
            value |= self.both()?;
        }
        Some(value)
    }

    fn both(&mut self) -> Option<bool> {
        let mut value = self.one()?;
        while self.take("&&") {
            value &= self.one()?;
        }
        Some(value)
    }

    fn one(&mut self) -> Option<bool> {
        if self.take("!") {
            return self.one().map(|value| !value);
        }
        if self.take("(") {
            let value = self.either()?;
            return self.take(")").then_some(value);
        }
        let word = self.words.get(self.at)?.clone();
        self.at += 1;
        match word.as_str() {
            "defined" | "IS_ENABLED" | "IS_BUILTIN" | "IS_REACHABLE" => {
                let open = self.take("(");
                let name = self.words.get(self.at)?.clone();
                self.at += 1;
                if open && !self.take(")") {
                    return None;
                }
                (self.known)(&name)
            }
            "0" => Some(false),
            "1" => Some(true),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditionals_on_the_configuration_are_evaluated() {
        let value = |text: &str| configured(text, &["CONFIG_MMU".to_owned()], &[]);
        assert_eq!(value("#ifdef CONFIG_MMU"), Some(true));
        assert_eq!(value("#ifndef CONFIG_MMU"), Some(false));
        assert_eq!(value("#ifdef CONFIG_NUMA"), Some(false));
        assert_eq!(value("# if defined(CONFIG_MMU) && !defined CONFIG_NUMA"), Some(true));
        assert_eq!(value("#if IS_ENABLED(CONFIG_NUMA) || (defined(CONFIG_MMU) && 0)"), Some(false));
        assert_eq!(value("#if defined(CONFIG_MMU) && BITS_PER_LONG == 64"), None);
        assert_eq!(value("#ifdef __HAVE_ARCH_X"), None);
    }

    #[test]
    fn a_macro_that_is_never_defined_is_known_in_every_form() {
        let value = |text: &str| configured(text, &["__FOLDED".to_owned()], &["__NEVER".to_owned()]);
        assert_eq!(value("#ifdef __NEVER"), Some(false));
        assert_eq!(value("#ifndef __NEVER"), Some(true));
        assert_eq!(value("#if defined(__NEVER) || !defined(CONFIG_MMU)"), Some(true));
        assert_eq!(value("#if defined(__FOLDED) && !defined(__NEVER)"), Some(true));
        assert_eq!(value("#if defined(__OTHER)"), None);
    }
}
