//! The services to compare, as commands. Placeholders stand for values that differ from run to run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use kafka_cluster_url::{MASK, shown, without_credentials};
use serde::{Deserialize, Serialize};

use super::Identity;
use super::load::check_own_flags;
use super::place::{PLACEHOLDERS, Place, check_names, uses, variable};
use crate::programs;
use crate::stack::{Stack, StackKind};
use crate::system::{Group, Probe, Ready, Start, System};

/// A service under test. `command`, `ready` and `environment` may have placeholders such as `{kafka}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Its name in tables, charts and folders.
    pub name: String,
    /// A description in a few words.
    #[serde(default)]
    pub about: String,
    /// Program and arguments, quoted as for a shell, but no shell runs them.
    pub command: String,
    /// How to see that it serves.
    #[serde(default = "group")]
    pub ready: Ready,
    /// Its working folder; that of the harness if `None`.
    #[serde(default)]
    pub folder: Option<PathBuf>,
    /// Further variables.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Further flags of the load client for this variant, quoted as for a shell, such as `--profile spring`.
    #[serde(default)]
    pub load: String,
    /// The variant to compare this one with; the first one if `None`.
    #[serde(default)]
    pub against: Option<String>,
}

fn group() -> Ready {
    Ready::Group
}

/// Names of other files of a run.
const TAKEN: [&str; 2] = ["environment", "load-client"];
/// Most letters of a variant's name, because files have this name.
const LONGEST_NAME: usize = 40;

impl Variant {
    /// Refuses a variant that cannot run.
    ///
    /// # Errors
    ///
    /// Fails if the name cannot be a file name, or if the command has no program or a quote that is not closed.
    pub fn check(&self) -> Result<()> {
        let Self { name, command, .. } = self;
        let legal = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        let is_name = (1..=LONGEST_NAME).contains(&name.len())
            && name.chars().all(legal)
            && !name.starts_with('.')
            && !TAKEN.contains(&name.as_str());
        if !is_name {
            bail!(
                "variant {name:?}: a name is up to {LONGEST_NAME} letters, digits, '.', '_' or '-', and not {}",
                TAKEN.join(" or ")
            );
        }
        let words = words(command);
        words.with_context(|| format!("variant {name}: command {command:?}"))?;
        self.check_flags(&[])?;
        for (name, value) in self.texts() {
            check_names(value).with_context(|| format!("variant {}: {name}", self.name))?;
            if value == MASK {
                bail!("variant {}: {name} is masked: write its value", self.name);
            }
        }
        if let Some(folder) = self.folder.as_ref().filter(|folder| !folder.is_dir()) {
            bail!(
                "variant {}: there is no folder {}",
                self.name,
                folder.display()
            );
        }
        Ok(())
    }

    /// Looks for the program, so that a missing one is an error before anything starts.
    ///
    /// # Errors
    ///
    /// Fails if it is missing.
    pub fn require_program(&self) -> Result<()> {
        let here = Place([("programs", programs::folder().display().to_string())].into());
        let word = here.fill(&words(&self.command)?[0]);
        let found = programs::found(&word, self.folder.as_deref());
        found
            .map(drop)
            .with_context(|| format!("variant {}", self.name))
    }

    /// Refuses flags that all variants must share, or have already.
    ///
    /// # Errors
    ///
    /// Fails if there is such a flag. The message names it.
    pub fn check_flags(&self, shared: &[String]) -> Result<()> {
        let own = check_own_flags(&self.load_flags()?, shared);
        own.map_err(|why| anyhow!("variant {}: load: {why}", self.name))
    }

    /// The load client's flags for this variant only.
    pub(super) fn load_flags(&self) -> Result<Vec<String>> {
        let flags = shlex::split(&self.load);
        flags.with_context(|| {
            format!(
                "variant {}: load {:?}: a quote is not closed",
                self.name, self.load
            )
        })
    }

    /// All texts that may have placeholders, with a name for each.
    fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        let ready = match &self.ready {
            Ready::Line(text) | Ready::Http(text) => Some(("ready", text.as_str())),
            Ready::Group => None,
        };
        let variables = self.environment.iter();
        let variables = variables.map(|(name, value)| (name.as_str(), value.as_str()));
        [("command", self.command.as_str())]
            .into_iter()
            .chain(ready)
            .chain(variables)
    }

    /// Starts it for one run, but does not wait. Returns its command line too.
    pub(crate) fn spawn(
        &self,
        stack: &Stack,
        identity: &Identity,
        log: &Path,
    ) -> Result<(System, Vec<String>)> {
        let place = Place::of(stack, identity)?;
        let spawned = self.start(stack, &place, log);
        spawned.with_context(|| format!("variant {}", self.name))
    }

    fn start(&self, stack: &Stack, place: &Place, log: &Path) -> Result<(System, Vec<String>)> {
        if let Some(secret) = place.secrets().find(|name| uses(&self.command, name)) {
            bail!(
                "{{{secret}}} holds a password, which every user of the machine could read on a command line: let the \
                 service read the variable {}",
                variable(secret)
            );
        }
        let words = words(&self.command)?;
        let words: Vec<String> = words.iter().map(|word| place.fill(word)).collect();
        let folder = self.folder.as_deref();
        let program = programs::found(&words[0], folder)?;
        let mut variables = place.variables();
        let own = self.environment.iter();
        variables.extend(own.map(|(name, value)| (name.clone(), place.fill(value))));
        let probe = match &self.ready {
            Ready::Line(line) => Probe::Line(place.fill(line)),
            Ready::Http(url) => Probe::http(&place.fill(url)),
            Ready::Group if stack.kind() == StackKind::Embedded => bail!(
                "the mock broker of stack embedded cannot describe groups: give --ready line=TEXT or http=URL, or \
                 another --stack"
            ),
            Ready::Group => Probe::Group(Group {
                servers: stack.bootstrap_servers().to_owned(),
                properties: stack.client_properties(),
                name: place.fill("{group}"),
            }),
        };
        let system = System::spawn(Start {
            name: &self.name,
            program: &program,
            arguments: &words[1..],
            variables,
            folder,
            log,
            probe,
        })?;
        let line = std::iter::once(program.display().to_string());
        Ok((system, line.chain(words.into_iter().skip(1)).collect()))
    }

    /// Its log file in a run's folder of logs.
    pub(crate) fn log(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.log", self.name))
    }

    /// The same variant, with secrets masked.
    pub(crate) fn shown(&self) -> Self {
        let mut own = self.clone();
        for (name, value) in &mut own.environment {
            let is_filled_in = PLACEHOLDERS.iter().any(|own| uses(value, own));
            if !is_filled_in {
                let is_key = name.to_ascii_lowercase().contains("key");
                *value = match is_key {
                    true => MASK.to_owned(),
                    false => without_credentials(shown(name, value)),
                };
            }
        }
        own
    }
}

/// Program and arguments.
fn words(command: &str) -> Result<Vec<String>> {
    let words = shlex::split(command).context("a quote is not closed")?;
    if words.is_empty() {
        bail!("there is no program");
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variant(command: &str) -> Variant {
        Variant {
            name: "one".to_owned(),
            about: String::new(),
            command: command.to_owned(),
            ready: Ready::Group,
            folder: None,
            environment: BTreeMap::new(),
            load: String::new(),
            against: None,
        }
    }

    #[track_caller]
    fn assert_refused(variant: &Variant, why: &str) {
        let told = format!("{:#}", variant.check().unwrap_err());
        assert!(told.contains(why), "{told}");
    }

    #[test]
    fn what_cannot_be_started_or_filled_is_refused() {
        variant("./run.sh --topic {topic} '{\"a\": 1}' {a,b} {}")
            .check()
            .unwrap();
        assert_refused(&variant(""), "no program");
        assert_refused(&variant("run 'a"), "a quote is not closed");
        assert_refused(
            &variant("run {topics}"),
            "no placeholder {topics}; there are {kafka},",
        );
        let mut named = variant("run");
        for name in ["", "a/b", "..", "a b", &"x".repeat(41)] {
            named.name = name.to_owned();
            assert_refused(&named, "a name is up to 40");
        }
        let mut own = variant("run");
        own.environment.insert("A".to_owned(), "{x}".to_owned());
        assert_refused(&own, "one: A");
        for (load, why) in [
            ("--users 3", "--users is the harness's own"),
            ("--rate=5/s", "--rate is for all variants"),
            ("'", "a quote is not closed"),
        ] {
            let mut own = variant("run");
            own.load = load.to_owned();
            assert_refused(&own, why);
        }
        let mut own = variant("run");
        own.load = "--profile spring --header a=b".to_owned();
        let shared = |flags: &str| flags.split(' ').map(str::to_owned).collect::<Vec<_>>();
        own.check_flags(&shared("--header c=d")).unwrap();
        let told = own
            .check_flags(&shared("--profile=nest"))
            .unwrap_err()
            .to_string();
        assert!(told.contains("--profile is also given for all"), "{told}");
    }

    #[test]
    fn placeholders_are_filled_after_the_words_are_told_apart() {
        let values = [("topic", "a b".to_owned()), ("port", "1".to_owned())];
        let place = Place(values.into());
        let words = words("run --topic {topic} 'x {port}'").unwrap();
        let filled: Vec<String> = words.iter().map(|word| place.fill(word)).collect();
        assert_eq!(filled, ["run", "--topic", "a b", "x 1"]);
        assert_eq!(place.variables()[1], ("TOPIC".to_owned(), "a b".to_owned()));
    }

    #[test]
    fn passwords_are_told_from_other_values() {
        let of = |store: &str, properties: &str| {
            let values = [
                ("store", store.to_owned()),
                ("kafka-properties", properties.to_owned()),
            ];
            Place(values.into()).secrets().collect::<Vec<_>>()
        };
        assert!(of("redis://a:1", "linger.ms=0").is_empty());
        assert_eq!(
            of("redis://:p@a:1", "linger.ms=0\nsasl.password=p"),
            ["kafka-properties", "store"]
        );
        let mut own = variant("run");
        own.environment
            .insert("DB_PASSWORD".to_owned(), "p".to_owned());
        own.environment
            .insert("STORE".to_owned(), "{store}".to_owned());
        let shown = own.shown().environment;
        assert_eq!(
            (&*shown["DB_PASSWORD"], &*shown["STORE"]),
            ("***", "{store}")
        );
    }
}
