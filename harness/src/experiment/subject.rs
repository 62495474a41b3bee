//! The subject of an experiment: its variants, from the command line, from a file, or the built-in ones.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use flags_and_variables::place_in;
use serde::{Deserialize, Serialize};

use crate::cli::{ExperimentArguments, SubjectArguments};
use crate::run::Variant;
use crate::system::Ready;

/// The experiment of this project.
const DISPATCH: &str = include_str!("../../experiments/dispatch.toml");
const DISPATCH_TITLE: &str = "harness/experiments/dispatch.toml";

/// The services to compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Title of the experiment.
    pub title: String,
    /// Name of the request topic, without the prefix of each run.
    pub topic: String,
    /// Two or more variants. The first is the baseline.
    pub variants: Vec<Variant>,
    /// The revisions, if the variants are two revisions of a repository.
    pub revisions: Option<Revisions>,
}

/// Two revisions of a git repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Revisions {
    /// The commits. Before the check-out: the revisions as the user gave them.
    pub commits: [String; 2],
    /// The command that builds each.
    pub build: Option<String>,
}

/// The settings of a file that are no flags.
#[derive(Default, Deserialize)]
struct InFile {
    title: Option<String>,
    topic: Option<String>,
    #[serde(default)]
    variants: Vec<Variant>,
}

impl Subject {
    /// The experiment of this project: the orders service, serial and tasks.
    ///
    /// # Errors
    ///
    /// Fails if the built-in file is wrong.
    pub fn built_in() -> Result<Self> {
        Self::read(DISPATCH, Path::new(DISPATCH_TITLE))
    }

    /// The variants of the file, or the built-in ones.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read, or if it does not have two variants with different names that can start.
    pub fn of(arguments: &SubjectArguments) -> Result<Self> {
        let Some(file) = &arguments.file else {
            return Ok(Self::built_in()?.with(arguments));
        };
        let told = || format!("--file {}", file.display());
        let text = fs::read_to_string(file).with_context(told)?;
        let read = Self::read(&text, file).with_context(told);
        read.map(|own| own.with(arguments))
    }

    /// The variants of the command line, or those of [`Subject::of`]. The folders of revisions are set later.
    ///
    /// # Errors
    ///
    /// Fails as [`Subject::of`] does, and if a command cannot start.
    pub fn of_experiment(arguments: &ExperimentArguments) -> Result<Self> {
        let ready = arguments.ready.clone().unwrap_or(Ready::Group);
        let variant =
            |name: &str, about: &str, command: &String, folder: &Option<PathBuf>| Variant {
                name: name.to_owned(),
                about: about.to_owned(),
                command: command.clone(),
                ready: ready.clone(),
                folder: folder.clone(),
                environment: arguments.environment.iter().cloned().collect(),
                load: String::new(),
                against: None,
            };
        let commands = arguments.baseline.as_ref().zip(arguments.changed.as_ref());
        let revisions = arguments
            .baseline_rev
            .as_ref()
            .zip(arguments.changed_rev.as_ref());
        let own_revisions = revisions.map(|(old, new)| Revisions {
            commits: [old.clone(), new.clone()],
            build: arguments.build.clone(),
        });
        let (title, variants) = match (commands, revisions.zip(arguments.run.as_ref())) {
            (Some((old, new)), _) => {
                let baseline = variant("baseline", "", old, &arguments.workdir_baseline);
                let changed = variant("changed", "", new, &arguments.workdir_changed);
                ("A change of a command".to_owned(), vec![baseline, changed])
            }
            (None, Some(((old, new), run))) => {
                let baseline = variant("baseline", &format!("revision {old}"), run, &None);
                let changed = variant("changed", &format!("revision {new}"), run, &None);
                (format!("{new} against {old}"), vec![baseline, changed])
            }
            (None, None) => return Self::of(&arguments.subject),
        };
        let mut own = Self {
            title,
            topic: "createOrder".to_owned(),
            variants,
            revisions: own_revisions,
        };
        own.check()?;
        Ok(own.with(&arguments.subject))
    }

    /// The variant with that name. `baseline` is the first one.
    ///
    /// # Errors
    ///
    /// Fails if there is none. The message has all names.
    pub fn variant(&self, name: &str) -> Result<&Variant> {
        let own = self.variants.iter().find(|variant| variant.name == name);
        let first = self.variants.first().filter(|_| name == "baseline");
        let names: Vec<&str> = self.variants.iter().map(|one| one.name.as_str()).collect();
        own.or(first)
            .with_context(|| format!("--variant {name}: takes one of {}", names.join(", ")))
    }

    /// Title and topic of the command line win.
    fn with(self, arguments: &SubjectArguments) -> Self {
        Self {
            title: arguments.title.clone().unwrap_or(self.title),
            topic: arguments.topic.clone().unwrap_or(self.topic),
            ..self
        }
    }

    fn read(text: &str, path: &Path) -> Result<Self> {
        let read: InFile = toml::from_str(text).map_err(|error| {
            let (line, column) = place_in(text, error.span().unwrap_or_default().start);
            let message = error.message().lines().collect::<Vec<_>>().join(", ");
            anyhow::anyhow!("line {line}, column {column}: {message}")
        })?;
        let mut own = Self {
            title: read.title.unwrap_or_else(|| path.display().to_string()),
            topic: read.topic.unwrap_or_else(|| "createOrder".to_owned()),
            variants: read.variants,
            revisions: None,
        };
        let home = path.parent().unwrap_or(Path::new(""));
        for variant in &mut own.variants {
            // Relative to the file, not to the harness's folder.
            variant.folder = variant.folder.take().map(|folder| home.join(folder));
        }
        own.check()?;
        Ok(own)
    }

    /// Refuses variants that cannot be compared. Makes folders absolute, because a command runs in its own folder.
    fn check(&mut self) -> Result<()> {
        if self.variants.len() < 2 {
            bail!("an experiment needs two or more [[variants]], the baseline first");
        }
        for variant in &mut self.variants {
            let folder = variant.folder.take().map(std::path::absolute);
            variant.folder = folder.transpose().context("a folder")?;
        }
        for (index, variant) in self.variants.iter().enumerate() {
            variant.check()?;
            let earlier = &self.variants[..index];
            if earlier.iter().any(|other| other.name == variant.name) {
                bail!("two variants are called {}", variant.name);
            }
            if let Some(against) = &variant.against
                && !earlier.iter().any(|other| &other.name == against)
            {
                bail!(
                    "variant {}: against names no variant before it: {against}",
                    variant.name
                );
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Subject> {
        Subject::read(text, Path::new("folder/own.toml"))
    }

    #[test]
    fn the_built_in_experiment_can_be_read() {
        let own = Subject::built_in().unwrap();
        assert_eq!(own.topic, "createOrder");
        assert_eq!(own.variant("baseline").unwrap().name, "serial");
        assert_eq!(own.variant("tasks").unwrap().name, "tasks");
        let told = own.variant("keyed").unwrap_err().to_string();
        assert_eq!(told, "--variant keyed: takes one of serial, tasks");
    }

    #[test]
    fn the_other_experiments_of_this_project_can_be_read() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let read = |file: &str| {
            let path = root.join(file);
            let text = fs::read_to_string(&path).unwrap();
            Subject::read(&text, &path).unwrap().variants
        };
        let profiles = read("peers/peers.toml");
        assert!(
            profiles
                .iter()
                .any(|variant| variant.load == "--profile spring")
        );
        let against = |variant: &Variant| variant.against.clone();
        let article: Vec<_> = read("peers/article.toml").iter().map(against).collect();
        let [python, rust] = ["python-serial", "rust-serial"].map(|name| Some(name.to_owned()));
        assert_eq!(article, [None, python.clone(), python, rust]);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told_with_its_place() {
        let two = "[[variants]]\nname='a'\ncommand='a'\n[[variants]]\nname='b'\ncommand='b'\n";
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("own.toml");
        let text = format!("users = 3\n{two}folder = '.'\n");
        let own = Subject::read(&text, &file).unwrap();
        assert_eq!(own.title, file.display().to_string());
        assert_eq!(own.variants[1].folder.as_deref(), Some(home.path()));
        for (text, why) in [
            ("users = 3\n", "two or more [[variants]]"),
            (&two.replace('b', "a"), "two variants are called a"),
            (&two.replace("name='b'", "nam='b'"), "line 5, column"),
            (&format!("{two}ready = 'now'"), "line=TEXT"),
            (
                &two.replace("command='b'", "command=''"),
                "variant b: command",
            ),
            (&format!("{two}against = 'b'"), "no variant before it: b"),
        ] {
            let told = format!("{:#}", read(text).unwrap_err());
            assert!(told.contains(why), "{told}");
        }
    }
}
