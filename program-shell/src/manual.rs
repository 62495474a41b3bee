//! Makes completion scripts for shells, and man pages.

use std::fs;
use std::io;
use std::path::Path;

use clap::Command;
pub use clap_complete::Shell;

/// Returns the script that completes the commands and flags of a program in a shell.
#[must_use]
pub fn completions(mut command: Command, shell: Shell) -> Vec<u8> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, &name, &mut script);
    if shell != Shell::Bash || !name.contains('-') {
        return script;
    }
    // The flags of a command would never be offered: https://github.com/clap-rs/clap/issues/6421
    let script = String::from_utf8_lossy(&script);
    let (wrong, right) = (name.replace('-', "__subcmd__"), name.replace('-', "__"));
    script.replace(&wrong, &right).into_bytes()
}

/// Writes a man page for a program, and one for each of its commands, into a folder that exists.
///
/// # Errors
///
/// Fails when a file cannot be written.
pub fn write_man_pages(command: Command, folder: &Path) -> io::Result<()> {
    clap_mangen::generate_to(command.clone(), folder)?;
    let mut all = vec![(command.get_name().to_owned(), &command)];
    while let Some((name, command)) = all.pop() {
        let path = folder.join(format!("{name}.1"));
        fs::write(&path, with_notes_as_they_are(&fs::read_to_string(&path)?))?;
        let shown = command.get_subcommands().filter(|own| !own.is_hide_set());
        all.extend(shown.map(|own| (format!("{name}-{}", own.get_name()), own)));
    }
    Ok(())
}

/// Keeps the lines of the text below the options, which are examples and tables: troff would fill paragraphs with them.
fn with_notes_as_they_are(page: &str) -> String {
    let Some((before, after)) = page.split_once(".SH EXTRA\n") else {
        return page.to_owned();
    };
    let (notes, rest) = match after.find(".SH ") {
        Some(next) => after.split_at(next),
        None => (after, ""),
    };
    format!("{before}.SH NOTES\n.nf\n{notes}.fi\n{rest}")
}

#[cfg(test)]
mod tests {
    use clap::Arg;

    use super::*;

    fn command() -> Command {
        let run = Command::new("run").arg(Arg::new("host").long("host").help("The brokers"));
        Command::new("client").about("Measures").subcommand(run)
    }

    #[test]
    fn a_script_completes_commands_and_their_flags() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = String::from_utf8(completions(command(), shell)).unwrap();
            assert!(
                script.contains("run") && script.contains("host"),
                "{script}"
            );
        }
    }

    #[test]
    fn bash_knows_a_program_with_a_hyphen_by_one_name() {
        let command = command().name("the-client");
        let script = String::from_utf8(completions(command, Shell::Bash)).unwrap();
        assert!(script.contains("the__client__subcmd__run)"), "{script}");
        assert!(!script.contains("the__subcmd__client"), "{script}");
    }

    #[test]
    fn each_command_has_a_page() {
        let folder = tempfile::tempdir().unwrap();
        write_man_pages(command(), folder.path()).unwrap();
        let page = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(page("client.1").contains("Measures"));
        assert!(page("client-run.1").contains("The brokers"));
    }

    #[test]
    fn the_lines_of_examples_stay_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let command = command().after_help("Examples:\n  client run \\\n    --host a");
        write_man_pages(command.version("1"), folder.path()).unwrap();
        let page = std::fs::read_to_string(folder.path().join("client.1")).unwrap();
        let (notes, after) = page
            .split_once(".nf\n")
            .unwrap()
            .1
            .split_once(".fi\n")
            .unwrap();
        assert!(
            notes.starts_with("Examples:\n") && notes.contains("host a"),
            "{page}"
        );
        assert!(after.contains(".SH VERSION"), "{page}");
    }

    #[test]
    fn a_folder_that_does_not_exist_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing");
        assert!(write_man_pages(command(), &missing).is_err());
    }
}
