//! Whether commands name flags, targets and variables that exist: for those that are not run, and those within a
//! sentence.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// The programs' help, each read once, and the Makefile.
pub(crate) struct Known {
    makefile: String,
    help: BTreeMap<String, String>,
}

impl Known {
    pub(crate) fn new(makefile: String) -> Self {
        Self {
            makefile,
            help: BTreeMap::new(),
        }
    }

    /// What the commands of a text name that does not exist.
    pub(crate) fn unknown(&mut self, text: &str, programs: &Path) -> Vec<String> {
        let joined = text.replace("\\\n", " ");
        let mut unknown = Vec::new();
        for command in joined.split(['\n', '|', ';', '&', '#']) {
            // Text in quotes is a value, also where it is not closed within the command.
            let words = shlex::split(command).unwrap_or_default();
            let is_setting =
                |word: &String| word.split_once('=').is_some_and(|(name, _)| is_upper(name));
            let mut words = words.into_iter().skip_while(is_setting);
            let Some(program) = words.next() else {
                continue;
            };
            let program = program.rsplit('/').next().unwrap_or_default().to_owned();
            let words: Vec<String> = words.collect();
            match program.as_str() {
                "make" => unknown.extend(self.unknown_to_make(&words)),
                "load-client" | "order-service" | "harness" => {
                    unknown.extend(self.unknown_flags(&program, &words, programs));
                }
                _ => {}
            }
        }
        unknown
    }

    fn unknown_to_make(&self, words: &[String]) -> Vec<String> {
        let is_known = |word: &&String| match word.split_once('=') {
            Some((name, _)) => {
                self.makefile.contains(&format!("$({name})"))
                    || self.makefile.contains(&format!("{name} "))
            }
            None => {
                let mut lines = self.makefile.lines();
                word.starts_with('-')
                    || !is_name(word)
                    || lines.any(|line| {
                        let targets = line.split(':').next().unwrap_or_default();
                        line.contains(':')
                            && targets.split(' ').any(|target| target == word.as_str())
                    })
            }
        };
        let unknown = words.iter().filter(|word| !is_known(word));
        unknown.map(|word| format!("make {word}")).collect()
    }

    fn unknown_flags(&mut self, program: &str, words: &[String], programs: &Path) -> Vec<String> {
        let first = words.first().filter(|word| is_name(word));
        let mut command = first.map(String::as_str).unwrap_or_default();
        if program == "load-client" && command.is_empty() {
            command = "run";
        }
        let help = self.help(program, command, programs).to_owned();
        if help.is_empty() {
            return vec![format!("{program} {command}")];
        }
        let of_own = words.iter().take_while(|word| *word != "--");
        let flags = of_own.filter(|word| word.starts_with('-') && word.len() > 1);
        let flags = flags.map(|word| word.split('=').next().unwrap_or_default());
        let is_negative = |flag: &&str| flag[1..].starts_with(|c: char| c.is_ascii_digit());
        let flags = flags.filter(|flag| !is_negative(flag));
        // A letter may have its value at once, as in -t10s.
        let shown = |flag: &str| {
            if flag.starts_with("--") {
                flag.to_owned()
            } else {
                flag[..2].to_owned()
            }
        };
        let words_of_help: Vec<&str> = help
            .split([' ', '\n', ',', '[', '=', '`', '.', ';', ')', '(', ':'])
            .collect();
        let flags = flags
            .map(shown)
            .filter(|flag| !words_of_help.contains(&flag.as_str()));
        flags
            .map(|flag| format!("{program} {command} {flag}"))
            .collect()
    }

    /// The help of a command; empty if there is no such command.
    fn help(&mut self, program: &str, command: &str, programs: &Path) -> &str {
        let key = format!("{program} {command}");
        self.help.entry(key).or_insert_with(|| {
            let mut asked = Command::new(programs.join(program));
            asked.args((!command.is_empty()).then_some(command));
            let output = asked.arg("--help").output().expect("the program starts");
            match output.status.success() {
                true => String::from_utf8_lossy(&output.stdout).into_owned(),
                false => String::new(),
            }
        })
    }
}

fn is_upper(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_')
}

/// Whether a word is written as targets and commands are; `FILE` and `...` are not.
fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_lowercase())
        && word.chars().all(|c| c.is_ascii_lowercase() || c == '-')
}

#[test]
fn targets_and_variables_are_those_of_the_makefile() {
    let mut known = Known::new("USERS ?= 10\ntest: ## all\nfaults soak: X = 1\n".to_owned());
    let mut unknown = |text| known.unknown(text, Path::new("/"));
    assert!(unknown("make test USERS=5\nX=1 make soak").is_empty());
    assert_eq!(unknown("cd a && make tests | tail"), ["make tests"]);
    assert_eq!(unknown("make test USER=5"), ["make USER=5"]);
}
