//! The machine, from Linux' /proc, or from the standard library on other systems.

use std::fs;
use std::thread;

use serde::Serialize;

/// Processor, memory, kernel and distribution.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Machine {
    /// The processor's model name.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Main memory.
    pub memory_mib: Option<u64>,
    /// The kernel's release.
    pub kernel: String,
    /// The distribution.
    pub os: String,
}

impl Machine {
    /// This machine.
    #[must_use]
    pub fn this() -> Self {
        let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
        Self {
            cpu: field(&read("/proc/cpuinfo"), "model name")
                .unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: thread::available_parallelism().map_or(1, usize::from),
            memory_mib: memory_mib(&read("/proc/meminfo")),
            kernel: or_unknown(read("/proc/sys/kernel/osrelease").trim()),
            os: os_name(&read("/etc/os-release"))
                .unwrap_or_else(|| std::env::consts::OS.to_owned()),
        }
    }
}

/// The value of the first line `name : value`.
fn field(text: &str, name: &str) -> Option<String> {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let mut values = lines
        .filter(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim().to_owned());
    values.next().filter(|value| !value.is_empty())
}

fn memory_mib(text: &str) -> Option<u64> {
    let kibibytes: u64 = field(text, "MemTotal")?.split(' ').next()?.parse().ok()?;
    Some(kibibytes / 1024)
}

fn os_name(text: &str) -> Option<String> {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(value.trim_matches('"').to_owned())
}

fn or_unknown(text: &str) -> String {
    if text.is_empty() {
        "unknown".to_owned()
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linux_files_are_understood() {
        assert_eq!(
            field("processor\t: 0\nmodel name\t: A CPU @ 3GHz\n", "model name").unwrap(),
            "A CPU @ 3GHz"
        );
        assert_eq!(memory_mib("MemTotal:       2048 kB\n"), Some(2));
        assert_eq!(
            os_name("NAME=x\nPRETTY_NAME=\"Debian 12\"\n").unwrap(),
            "Debian 12"
        );
        assert_eq!(field("", "model name"), None);
    }
}
