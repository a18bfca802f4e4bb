//! Finds what the manifest wants and what that uses, and refuses what it cannot be sure of.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::path::Path;

use super::{Extract, ExtractError, Parameters, Piece, Prototype, Renamed, VERBATIM};
use crate::features::Features;
use crate::manifest::{Cut, Fact, Manifest, Whole};
use crate::revision::Revision;
use crate::syntax::{Condition, Definition, Kind, SourceFile, Token};
use crate::version::KernelVersion;

/// C's own words that look like calls.
const KEYWORDS: &[&str] = &["if", "for", "while", "switch", "return", "sizeof", "typeof", "__typeof__", "defined"];

/// Cuts a tree. Version, revision and origin are the caller's to fill in.
pub fn cut(tree: &Path, manifest: &Manifest) -> Result<Extract, ExtractError> {
    let mut cutter = Cutter::read(tree, manifest)?;
    for whole in &manifest.whole {
        cutter.whole(whole)?;
    }
    for cut in &manifest.cut {
        cutter.cut(cut)?;
    }
    Ok(cutter.finish())
}

struct Cutter<'m> {
    manifest: &'m Manifest,
    /// The files that are there, in the order of the manifest.
    files: Vec<SourceFile>,
    index: HashMap<String, usize>,
    /// By file and offset: nothing is cut twice, and the order is the tree's.
    pieces: BTreeMap<(usize, usize), Piece>,
    /// Definitions that are asked for by name, of files that are taken whole.
    in_whole_files: Vec<Piece>,
    prototypes: BTreeMap<(usize, usize, bool), Prototype>,
    renames: Vec<Renamed>,
    open_calls: BTreeSet<String>,
}

impl<'m> Cutter<'m> {
    fn read(tree: &Path, manifest: &'m Manifest) -> Result<Self, ExtractError> {
        let mut files = Vec::new();
        let mut index = HashMap::new();
        let named = manifest.whole.iter().map(|whole| &whole.file);
        for path in named.chain(manifest.cut.iter().flat_map(|cut| &cut.from)) {
            if !index.contains_key(path) && tree.join(path).is_file() {
                index.insert(path.clone(), files.len());
                files.push(SourceFile::read(tree, path)?);
            }
        }
        Ok(Self {
            manifest,
            files,
            index,
            pieces: BTreeMap::new(),
            in_whole_files: Vec::new(),
            prototypes: BTreeMap::new(),
            renames: Vec::new(),
            open_calls: BTreeSet::new(),
        })
    }

    fn whole(&mut self, whole: &Whole) -> Result<(), ExtractError> {
        let Some(&number) = self.index.get(&whole.file) else {
            return if whole.optional { Ok(()) } else { Err(ExtractError::MissingFile { file: whole.file.clone() }) };
        };
        let file = &self.files[number];
        file.check_whole()?;
        let mut names = Vec::new();
        for definition in file.definitions.iter().filter(|definition| definition.kind == Kind::Function) {
            if let Some(into) = &whole.prototypes
                && !definition.is_static
            {
                self.prototypes.extend(prototypes(number, file, definition, into, &self.manifest.wrap, true));
            }
            if self.manifest.wrap.contains(&definition.name) {
                let (first, last) = (definition.range.start, definition.range.end.saturating_sub(1));
                names.push((definition.name.clone(), file.line(first), file.line(last)));
            }
        }
        if let Some(into) = &whole.renamed {
            self.renames.push(Renamed { file: whole.file.clone(), into: into.clone(), names });
        }
        let piece = Piece {
            kind: Kind::Whole,
            symbol: whole.file.clone(),
            file: whole.file.clone(),
            first_line: 1,
            last_line: file.text.lines().count(),
            into: whole.file.clone(),
            wrapped: false,
            text: file.text.clone(),
            parameters: Parameters::default(),
            conditions: Vec::new(),
            order: (number, 0),
        };
        self.pieces.insert(piece.order, piece);
        Ok(())
    }

    fn cut(&mut self, cut: &Cut) -> Result<(), ExtractError> {
        let mut wanted = Vec::new();
        for symbol in &cut.required {
            match self.find(cut, symbol)? {
                Some(found) => wanted.push((symbol, found)),
                None => return Err(self.missing(cut, std::slice::from_ref(symbol))),
            }
        }
        for symbol in &cut.optional {
            wanted.extend(self.find(cut, symbol)?.map(|found| (symbol, found)));
        }
        for symbols in &cut.one_of {
            let before = wanted.len();
            for symbol in symbols {
                wanted.extend(self.find(cut, symbol)?.map(|found| (symbol, found)));
            }
            if wanted.len() == before {
                return Err(self.missing(cut, symbols));
            }
        }
        for (symbol, file) in wanted {
            self.take(cut, file, cut.kind, symbol)?;
        }
        Ok(())
    }

    /// The file that defines a symbol of the manifest.
    fn find(&self, cut: &Cut, symbol: &str) -> Result<Option<usize>, ExtractError> {
        let numbers: Vec<usize> = cut.from.iter().filter_map(|path| self.index.get(path).copied()).collect();
        let with: Vec<usize> =
            numbers.iter().copied().filter(|&number| !self.files[number].find(cut.kind, symbol).is_empty()).collect();
        match with[..] {
            [one] => Ok(Some(one)),
            [] => {
                // An optional one that a lost brace hides is as bad as a required one.
                let seen = numbers.iter().find_map(|&number| {
                    let line = self.files[number].line_like(cut.kind, symbol)?;
                    Some((self.files[number].path.clone(), line))
                });
                match seen {
                    Some((file, line)) => {
                        Err(ExtractError::Swallowed { group: cut.group.clone(), symbol: symbol.to_owned(), file, line })
                    }
                    None => Ok(None),
                }
            }
            _ => {
                let places = with.iter().flat_map(|&number| {
                    let file = &self.files[number];
                    file.find(cut.kind, symbol).into_iter().map(move |found| place(file, found))
                });
                Err(ExtractError::Twice { symbol: symbol.to_owned(), places: places.collect::<Vec<_>>().join(", ") })
            }
        }
    }

    fn missing(&self, cut: &Cut, symbols: &[String]) -> ExtractError {
        ExtractError::Missing { group: cut.group.clone(), symbols: symbols.join(" or "), files: cut.from.join(", ") }
    }

    /// Takes a definition, its declarations, and what it uses.
    fn take(&mut self, cut: &Cut, number: usize, kind: Kind, symbol: &str) -> Result<(), ExtractError> {
        let is_whole = self.pieces.get(&(number, 0)).is_some_and(|piece| piece.kind == Kind::Whole);
        let mut todo = vec![(kind, symbol.to_owned())];
        while let Some((kind, symbol)) = todo.pop() {
            let file = &self.files[number];
            let found = file.find(kind, &symbol);
            check_twice(file, &symbol, &found)?;
            let repeat = found.len() > 1;
            for definition in found {
                if is_whole {
                    // It is there already, with all that it uses.
                    self.in_whole_files.push(piece(number, file, definition, cut, &[], false));
                    continue;
                }
                if self.pieces.contains_key(&(number, definition.range.start)) {
                    continue;
                }
                file.check(definition)?;
                let piece = piece(number, file, definition, cut, &self.manifest.wrap, repeat);
                self.pieces.insert(piece.order, piece);
                if kind == Kind::Function
                    && !definition.is_static
                    && let Some(into) = &cut.prototypes
                {
                    self.prototypes.extend(prototypes(number, file, definition, into, &self.manifest.wrap, repeat));
                }
                if cut.with_callees {
                    for used in names(file, definition) {
                        todo.extend(self.callee(file, definition, used));
                    }
                }
            }
            if kind == Kind::Function && file.path.ends_with(".c") && !is_whole {
                for definition in file.find(Kind::Declaration, &symbol) {
                    let piece = piece(number, file, definition, cut, &[], false);
                    self.pieces.insert(piece.order, piece);
                }
            }
        }
        Ok(())
    }

    /// What a name used in a definition means, if the same file defines it.
    fn callee(&self, file: &SourceFile, user: &Definition, used: &str) -> Option<(Kind, String)> {
        if used == user.name || user.locals.iter().any(|local| local == used) {
            return None;
        }
        if self.manifest.provided.iter().any(|provided| provided == used) {
            return None;
        }
        let kinds = [Kind::Function, Kind::Variable, Kind::Macro, Kind::Struct, Kind::Enum];
        let kind = kinds.into_iter().find(|&kind| !file.find(kind, used).is_empty())?;
        Some((kind, used.to_owned()))
    }

    fn finish(mut self) -> Extract {
        self.find_open_calls();
        let pieces: Vec<Piece> = self.pieces.into_values().collect();
        let facts = facts(&self.manifest.fact, pieces.iter().chain(&self.in_whole_files));
        Extract {
            name: String::new(),
            version: KernelVersion { major: 0, minor: 0, sub: 0, extra: String::new() },
            revision: Revision::default(),
            features: Features::default(),
            origin: String::new(),
            patches: Vec::new(),
            pieces,
            open_calls: self.open_calls.into_iter().collect(),
            facts,
            prototypes: self.prototypes.into_values().collect(),
            renames: self.renames,
        }
    }

    fn find_open_calls(&mut self) {
        let mut defined: BTreeSet<&str> = KEYWORDS.iter().copied().collect();
        for piece in self.pieces.values() {
            defined.insert(&piece.symbol);
            if piece.kind == Kind::Whole {
                let file = &self.files[piece.order.0];
                defined.extend(file.definitions.iter().map(|definition| definition.name.as_str()));
            }
        }
        for piece in self.pieces.values().filter(|piece| piece.kind == Kind::Function) {
            let file = &self.files[piece.order.0];
            let range = piece.order.1..piece.order.1 + piece.text.len();
            let open = called(file, &range).filter(|word| !defined.contains(word));
            self.open_calls.extend(open.map(str::to_owned));
        }
    }
}

fn place(file: &SourceFile, definition: &Definition) -> String {
    format!("{}:{}", file.path, file.line(definition.range.start))
}

/// Twice under the same conditionals is an error; in two branches of one it is not.
fn check_twice(file: &SourceFile, symbol: &str, found: &[&Definition]) -> Result<(), ExtractError> {
    for (number, definition) in found.iter().enumerate() {
        if found[..number].iter().any(|other| other.conditions == definition.conditions) {
            let places: Vec<_> = found.iter().map(|found| place(file, found)).collect();
            return Err(ExtractError::Twice { symbol: symbol.to_owned(), places: places.join(", ") });
        }
    }
    Ok(())
}

fn piece(number: usize, file: &SourceFile, definition: &Definition, cut: &Cut, wrap: &[String], repeat: bool) -> Piece {
    let range = definition.range.clone();
    Piece {
        kind: definition.kind,
        symbol: definition.name.clone(),
        file: file.path.clone(),
        first_line: file.line(range.start),
        last_line: file.line(range.end.saturating_sub(1)),
        into: cut.into.clone(),
        wrapped: definition.kind == Kind::Function && wrap.contains(&definition.name),
        text: file.text[range.clone()].to_owned(),
        parameters: Parameters::of(file, definition),
        conditions: if repeat { definition.conditions.clone() } else { Vec::<Condition>::new() },
        order: (number, range.start),
    }
}

/// The prototype of a function and, for an entry point, that of its renamed definition.
fn prototypes(
    number: usize,
    file: &SourceFile,
    definition: &Definition,
    into: &str,
    wrap: &[String],
    repeat: bool,
) -> Vec<((usize, usize, bool), Prototype)> {
    let conditions = if repeat { definition.conditions.clone() } else { Vec::new() };
    let texts = prototypes_of(file, definition, wrap.contains(&definition.name)).into_iter().enumerate();
    let prototype = |(which, text)| {
        let prototype = Prototype { into: into.to_owned(), text, conditions: conditions.clone() };
        ((number, definition.range.start, which > 0), prototype)
    };
    texts.map(prototype).collect()
}

/// The macros that hold, of what was cut.
pub(super) fn facts<'p>(facts: &[Fact], pieces: impl Iterator<Item = &'p Piece> + Clone) -> Vec<String> {
    let of = |fact: &Fact, piece: &Piece| {
        fact.cut.contains(&piece.symbol)
            && fact.parameters.is_none_or(|count| count == piece.parameters.count)
            && fact.takes.as_ref().is_none_or(|takes| piece.parameters.text.contains(takes))
            && fact.mentions.as_ref().is_none_or(|text| piece.text.contains(text))
    };
    let holds = |fact: &&Fact| pieces.clone().any(|piece| of(fact, piece));
    facts.iter().filter(holds).map(|fact| fact.define.clone()).collect()
}

/// The prototypes of a function, its own and that of its renamed definition if it is observed; none of a system call.
pub(super) fn prototypes_of(file: &SourceFile, definition: &Definition, wrapped: bool) -> Vec<String> {
    let Some(body) = definition.body.as_ref().filter(|_| !definition.name_range.is_empty()) else { return Vec::new() };
    let before = file.code[definition.range.start..definition.name_range.start].trim_start();
    let linkage = if definition.is_static { "" } else { "static " };
    let after = file.code[definition.name_range.start..body.start].trim_end();
    let prefixes = if wrapped { &["", VERBATIM][..] } else { &[""] };
    prefixes.iter().map(|prefix| format!("{linkage}{before}{prefix}{after};\n")).collect()
}

/// The names that are followed by a parenthesis in a part of a file.
pub(super) fn called<'f>(file: &'f SourceFile, range: &Range<usize>) -> impl Iterator<Item = &'f str> {
    let call = |pair: &&[Token]| pair[0].is_name && &file.text[pair[1].range.clone()] == "(";
    file.tokens(range).windows(2).filter(call).map(|pair| &file.text[pair[0].range.clone()])
}

/// The names that a definition mentions.
fn names<'f>(file: &'f SourceFile, definition: &Definition) -> BTreeSet<&'f str> {
    if definition.kind == Kind::Macro {
        return words(&file.text[definition.range.clone()]).collect();
    }
    let tokens = file.tokens(&definition.range).iter().filter(|token| token.is_name);
    tokens.map(|token| &file.text[token.range.clone()]).collect()
}

pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}
