//! The machine that figures belong to.

use std::fs;
use std::thread::available_parallelism;

use serde::{Deserialize, Serialize};

/// What a reader must know of a machine to compare figures with another's; nothing that names it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's model, as it calls itself.
    pub cpu: String,
    /// How many threads may run at once.
    pub cores: usize,
    /// Memory in GB (10^9 bytes).
    pub memory_gb: f64,
    /// The operating system's name and version, and the processor's architecture.
    pub os: String,
}

impl Machine {
    /// This one. What its files do not say is `unknown`, or 0 GB of memory.
    pub fn here() -> Self {
        let text = |path| fs::read_to_string(path).unwrap_or_default();
        let cores = available_parallelism().map_or(1, usize::from);
        Self::of(&text("/proc/cpuinfo"), &text("/proc/meminfo"), &text("/etc/os-release"), cores)
    }

    fn of(cpuinfo: &str, meminfo: &str, os_release: &str, cores: usize) -> Self {
        let unknown = || "unknown".to_owned();
        let cpu = value(cpuinfo, "model name", ':').map_or_else(unknown, str::to_owned);
        let kib = value(meminfo, "MemTotal", ':').and_then(|total| total.strip_suffix(" kB"));
        let kib: f64 = kib.and_then(|kib| kib.parse().ok()).unwrap_or(0.0);
        let os = value(os_release, "PRETTY_NAME", '=').map(|name| name.trim_matches('"'));
        let os = os.unwrap_or(std::env::consts::OS);
        Self {
            cpu,
            cores,
            memory_gb: (kib * 1024.0 / 1e8).round() / 10.0,
            os: format!("{os}, {}", std::env::consts::ARCH),
        }
    }
}

/// What stands behind the first `name` and the mark.
fn value<'a>(text: &'a str, name: &str, mark: char) -> Option<&'a str> {
    let mut lines = text.lines().filter_map(|line| line.split_once(mark));
    lines.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_read_from_what_linux_says() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Some(R) CPU @ 2.6GHz\nmodel name\t: other\n";
        let meminfo = "MemFree: 1 kB\nMemTotal:       24684084 kB\n";
        let os = "NAME=\"Debian\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n";
        let machine = Machine::of(cpuinfo, meminfo, os, 2);
        assert_eq!(machine.cpu, "Some(R) CPU @ 2.6GHz");
        assert_eq!((machine.cores, machine.memory_gb), (2, 25.3));
        assert!(machine.os.starts_with("Debian GNU/Linux 12 (bookworm), "), "{}", machine.os);
    }

    #[test]
    fn what_a_machine_does_not_say_is_unknown() {
        let machine = Machine::of("", "MemTotal: much\n", "", 8);
        assert_eq!((machine.cpu.as_str(), machine.memory_gb), ("unknown", 0.0));
        assert!(machine.os.starts_with(std::env::consts::OS), "{}", machine.os);
        assert!(Machine::here().cores >= 1);
    }
}
