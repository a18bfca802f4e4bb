//! The groups in which `rmap-diff --help` lists the commands. clap has no headings for commands, so the template of the help is
//! made here of one table.

use std::fmt::Write as _;

use clap::Command;

/// Each heading with its commands, in the order of the help.
const GROUPS: &[(&str, &[&str])] = &[
    ("Run a trace", &["run", "minimize", "reproduce"]),
    ("Search", &["random", "exhaust", "mutants"]),
    ("Judge a patch", &["review", "prove", "ground-truth"]),
    ("Look", &["show", "known"]),
    ("Manage", &["kernels", "convert", "completions", "man", "help"]),
];

/// What clap lists by itself and does not describe before it parses.
const HELP: (&str, &str) = ("help", "Print this message or the help of the given command");

/// The command, with its help in groups.
pub(super) fn grouped(command: Command) -> Command {
    let width = GROUPS.iter().flat_map(|(_, names)| *names).map(|name| name.len()).max().unwrap_or(0);
    let styles = command.get_styles().clone();
    let (header, literal) = (styles.get_header(), styles.get_literal());
    let mut list = String::new();
    for (heading, names) in GROUPS {
        let _ = writeln!(list, "{header}{heading}:{header:#}");
        for name in *names {
            let about = command.find_subcommand(name).filter(|sub| !sub.is_hide_set()).map(about);
            let Some(about) = about.or_else(|| (*name == HELP.0).then(|| HELP.1.to_owned())) else { continue };
            let _ = writeln!(list, "  {literal}{name:width$}{literal:#}  {about}");
        }
        list.push('\n');
    }
    let template = format!(
        "{{before-help}}{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{list}{header}Options:{header:#}\n{{options}}{{after-help}}"
    );
    command.help_template(template)
}

fn about(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory as _;

    use super::*;

    fn cli() -> Command {
        super::super::Cli::command()
    }

    #[test]
    fn every_command_is_in_one_group_and_every_name_of_a_group_is_a_command() {
        let grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        let set: BTreeSet<&str> = grouped.iter().copied().collect();
        assert_eq!(set.len(), grouped.len(), "a command is in two groups");
        let cli = cli();
        let commands: BTreeSet<&str> = cli.get_subcommands().map(Command::get_name).chain([HELP.0]).collect();
        assert_eq!(set, commands);
    }

    #[test]
    fn the_help_lists_each_command_under_its_heading_on_one_line() {
        let help = grouped(cli()).term_width(200).render_help().to_string();
        let mut heading = "";
        for (wanted, names) in GROUPS {
            for name in *names {
                let hidden = cli().find_subcommand(name).is_some_and(Command::is_hide_set);
                let at = help
                    .lines()
                    .position(|line| line.split_whitespace().next() == Some(name) && line.starts_with("  "));
                assert_eq!(at.is_none(), hidden, "{name}: {help}");
                let Some(at) = at else { continue };
                let above = help.lines().take(at).filter(|line| line.ends_with(':') && !line.starts_with(' '));
                heading = above.last().unwrap_or(heading);
                assert_eq!(heading, format!("{wanted}:"), "{name}: {help}");
            }
        }
        let (list, _) = help.split_once("\nOptions:\n").unwrap();
        assert!(list.lines().all(|line| line.len() <= 120), "{help}");
        assert!(
            help.contains("\nOptions:\n") && help.contains("\nExamples:\n") && !help.contains("Commands:"),
            "{help}"
        );
    }
}
