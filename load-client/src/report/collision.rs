//! Finds outputs that would be written over an input, or over one another.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::destination::{is_standard_output, part_of, without_links};

/// Why two files of a command line must not be one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum Collision {
    /// A recording would be lost.
    #[error("{flag} {path} would write over an input: name another file")]
    WithInput {
        /// The flag of the output.
        flag: &'static str,
        /// As it was given.
        path: PathBuf,
    },
    /// The file under which an output grows is an input.
    #[error("{flag} {path} is written as {part} first, which is an input: name another file")]
    PartWithInput {
        /// The flag of the output.
        flag: &'static str,
        /// As it was given.
        path: PathBuf,
        /// The file that grows.
        part: PathBuf,
    },
    /// One output would replace the other.
    #[error("{flag} {path} is the place of {other} too: name another one")]
    WithOutput {
        /// The flag of the output.
        flag: &'static str,
        /// As it was given.
        path: PathBuf,
        /// The flag of the other output.
        other: &'static str,
    },
}

/// What makes two paths one place.
#[derive(PartialEq)]
enum Identity {
    StandardOutput,
    /// Device and number, which links share.
    File(u64, u64),
    /// What is not there yet.
    New(PathBuf),
}

/// Checks outputs, each with its flag, against one another and against the inputs. Devices and pipes lose
/// nothing by being written twice.
///
/// # Errors
///
/// The first [`Collision`].
pub(crate) fn refuse_collisions(
    outputs: &[(&'static str, &Path)],
    inputs: &[&Path],
) -> Result<(), Collision> {
    let inputs: Vec<_> = inputs.iter().filter_map(|path| identity(path)).collect();
    let mut earlier: Vec<(&'static str, Identity)> = Vec::new();
    for &(flag, path) in outputs {
        let Some(own) = identity(path) else {
            continue;
        };
        let path = path.to_owned();
        if inputs.contains(&own) {
            return Err(Collision::WithInput { flag, path });
        }
        let target = (own != Identity::StandardOutput).then(|| without_links(&path).ok());
        let part = target.flatten().map(|target| part_of(&target));
        let grown = part.as_deref().and_then(identity);
        if let (Some(part), Some(_)) = (part, grown.as_ref().filter(|own| inputs.contains(own))) {
            return Err(Collision::PartWithInput { flag, path, part });
        }
        for own in [Some(own), grown].into_iter().flatten() {
            if let Some((other, _)) = earlier.iter().find(|(_, taken)| *taken == own) {
                return Err(Collision::WithOutput { flag, path, other });
            }
            earlier.push((flag, own));
        }
    }
    Ok(())
}

fn identity(path: &Path) -> Option<Identity> {
    if is_standard_output(path) {
        return Some(Identity::StandardOutput);
    }
    match fs::metadata(path) {
        Ok(found) if found.is_file() => Some(Identity::File(found.dev(), found.ino())),
        Ok(_) => None,
        Err(_) => {
            let target = without_links(path).ok()?;
            let folder = match target.parent() {
                Some(folder) if folder != Path::new("") => folder,
                _ => Path::new("."),
            };
            let folder = fs::canonicalize(folder).ok()?;
            Some(Identity::New(folder.join(target.file_name()?)))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn an_output_is_no_input_and_no_other_output_by_whatever_name() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("base.csv"), "").unwrap();
        fs::hard_link(at("base.csv"), at("hard.csv")).unwrap();
        symlink("base.csv", at("soft.csv")).unwrap();
        symlink("new.json", at("dangling.json")).unwrap();
        let (base, new, null) = (
            at("base.csv"),
            at("new.json"),
            Path::new("/dev/null").to_owned(),
        );
        for name in ["base.csv", "hard.csv", "soft.csv", "../base.csv"] {
            let path = match name.strip_prefix("../") {
                Some(name) => folder.path().join("x/..").join(name),
                None => at(name),
            };
            fs::create_dir_all(at("x")).unwrap();
            let refused = refuse_collisions(&[("--html", &path)], &[&base]);
            let expected = Collision::WithInput {
                flag: "--html",
                path,
            };
            assert_eq!(refused, Err(expected));
        }
        for (one, other) in [
            (new.clone(), at("dangling.json")),
            ("-".into(), "/dev/stdout".into()),
        ] {
            let refused = refuse_collisions(&[("--json", &one), ("--html", &other)], &[&base]);
            assert!(
                matches!(
                    refused,
                    Err(Collision::WithOutput {
                        flag: "--html",
                        other: "--json",
                        ..
                    })
                ),
                "{refused:?}"
            );
        }
        // The file that grows counts as well.
        let (part, whole) = (at("rest.csv.part"), at("rest.csv"));
        fs::write(&part, "rest").unwrap();
        let refused = refuse_collisions(&[("--html", &whole)], &[&base, &part]);
        let refused = refused.unwrap_err().to_string();
        assert!(
            refused.contains("rest.csv.part first, which is an input"),
            "{refused}"
        );
        let outputs: [(&str, &Path); 2] = [("--json", &part), ("--html", &whole)];
        let refused = refuse_collisions(&outputs, &[&base]);
        assert!(
            matches!(refused, Err(Collision::WithOutput { .. })),
            "{refused:?}"
        );
        let outputs: [(&str, &Path); 3] = [("--json", &null), ("--html", &null), ("--csv", &new)];
        assert_eq!(refuse_collisions(&outputs, &[&base, &null]), Ok(()));
    }
}
