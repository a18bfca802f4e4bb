//! `rmap-diff completions` and `rmap-diff man`: the command's own description, for shells and for man.

use std::fs;
use std::path::PathBuf;

use clap_complete::Shell;

use super::{AGREE, Error, file};

#[derive(clap::Args)]
pub(super) struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

#[derive(clap::Args)]
pub(super) struct ManArgs {
    /// Write the pages of all commands into this directory, which is created if needed. Default: write the main page to
    /// standard output.
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn completions(args: &CompletionsArgs) -> Result<u8, Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "rmap-diff", &mut script);
    if args.shell == Shell::Bash {
        // clap_complete 4.6 looks for a command by another name than it gives it, if the program's has a hyphen.
        script = String::from_utf8_lossy(&script).replace("rmap__subcmd__diff", "rmap__diff").into_bytes();
    }
    file::write("-".as_ref(), &script)?;
    Ok(AGREE)
}

pub(super) fn man(args: &ManArgs) -> Result<u8, Error> {
    let mut command = super::command();
    // So that each command knows what it is called and which options it has from above.
    command.build();
    let Some(dir) = &args.out else {
        file::write("-".as_ref(), &page(command)?)?;
        return Ok(AGREE);
    };
    fs::create_dir_all(dir).map_err(Error::io(dir))?;
    let commands: Vec<clap::Command> =
        command.get_subcommands().filter(|sub| sub.get_name() != "help" && !sub.is_hide_set()).cloned().collect();
    for sub in commands {
        let name = format!("rmap-diff-{}", sub.get_name());
        file::write(&dir.join(format!("{name}.1")), &page(sub.display_name(name))?)?;
    }
    file::write(&dir.join("rmap-diff.1"), &page(command)?)?;
    Ok(AGREE)
}

fn page(command: clap::Command) -> Result<Vec<u8>, Error> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page).map_err(Error::io("man page".as_ref()))?;
    Ok(page)
}
