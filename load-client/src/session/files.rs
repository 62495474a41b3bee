//! Where the files of each run go. A program without the page does one run, whose number is 1.

use std::path::{Path, PathBuf};

use crate::report::is_standard_output;

/// The file of run `number`: the first has the name that was given, later ones their number before the
/// extension (`run.2.csv`), so that no run writes over another. Standard output, devices and pipes take all.
pub(crate) fn numbered(path: &Path, number: u32) -> PathBuf {
    let is_no_file = path.exists() && !path.is_file();
    if number <= 1 || is_standard_output(path) || is_no_file {
        return path.to_owned();
    }
    match path.extension() {
        Some(extension) => {
            let mut last = std::ffi::OsString::from(format!("{number}."));
            last.push(extension);
            path.with_extension(last)
        }
        None => path.with_extension(number.to_string()),
    }
}

/// The beginning of the files' names of run `number`, as with [`numbered`].
pub(crate) fn numbered_prefix(prefix: &Path, number: u32) -> PathBuf {
    let mut named = prefix.as_os_str().to_owned();
    if number > 1 {
        named.push(format!(".{number}"));
    }
    named.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_run_writes_over_another() {
        let path = Path::new("results/run.csv");
        assert_eq!(numbered(path, 1), path);
        assert_eq!(numbered(path, 2), Path::new("results/run.2.csv"));
        assert_eq!(numbered(Path::new("run"), 3), Path::new("run.3"));
        let prefix = Path::new("results/v1.5");
        assert_eq!(numbered_prefix(prefix, 1), prefix);
        assert_eq!(numbered_prefix(prefix, 2), Path::new("results/v1.5.2"));
        for stream in ["-", "/dev/null"] {
            assert_eq!(numbered(Path::new(stream), 3), Path::new(stream));
        }
    }
}
