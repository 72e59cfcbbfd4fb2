//! Programs and headers of the system: each is checked by using it, and only what is missing is
//! installed, through apt.

use crate::command;
use crate::progress::{say, step};
use anyhow::{Result, bail};
use std::io::Write;
use std::process::{Command, Stdio};

/// Kafka 4 brokers need Java 17 (Apache Kafka 4.0 upgrade notes, KIP-1013).
pub(crate) const JAVA_AT_LEAST: u32 = 17;

/// One thing the system must have.
pub(crate) struct Need {
    what: &'static str,
    why: &'static str,
    debian: &'static [&'static str],
    present: fn() -> bool,
}

/// What a build of the engine needs: librdkafka is built from source by configure and make, and its
/// configure refuses to run without a C++ compiler.
pub(crate) const BUILD: &[Need] = &[
    Need {
        what: "a C compiler",
        why: "builds librdkafka",
        debian: &["gcc", "libc6-dev"],
        present: || compiles("cc", "-xc", "int main(void){return 0;}"),
    },
    Need {
        what: "a C++ compiler",
        why: "librdkafka's configure asks for it",
        debian: &["g++"],
        present: || compiles("c++", "-xc++", "int main(){return 0;}"),
    },
    Need {
        what: "make",
        why: "builds librdkafka",
        debian: &["make"],
        present: || command::works(Command::new("make").arg("--version")),
    },
    Need {
        what: "pkg-config",
        why: "finds zlib",
        debian: &["pkg-config"],
        present: || command::works(Command::new("pkg-config").arg("--version")),
    },
    Need {
        what: "the zlib headers",
        why: "gzip in Kafka record batches",
        debian: &["zlib1g-dev"],
        present: || compiles("cc", "-xc", "#include <zlib.h>\nint main(void){return 0;}"),
    },
];

/// What fetches the ONNX Runtime library.
pub(crate) const PIP: &[Need] = &[
    Need {
        what: "python3",
        why: "unpacks the ONNX Runtime wheel",
        debian: &["python3"],
        present: || command::works(Command::new("python3").args(["-c", "import zipfile"])),
    },
    Need {
        what: "pip",
        why: "downloads the ONNX Runtime wheel",
        debian: &["python3-pip"],
        present: || command::works(Command::new("python3").args(["-m", "pip", "--version"])),
    },
];

/// What a local Kafka needs.
pub(crate) const KAFKA: &[Need] = &[
    Need {
        what: "Java 17 or newer",
        why: "runs Kafka",
        debian: &["default-jre-headless"],
        present: || java_version().is_some_and(|version| version >= JAVA_AT_LEAST),
    },
    Need {
        what: "maven",
        why: "downloads Kafka's jars",
        debian: &["maven"],
        present: || command::find("mvn").is_some(),
    },
];

/// What runs a peer's single-file program.
pub(crate) const JDK: &[Need] = &[Need {
    what: "a Java compiler",
    why: "compiles the peers of the end-to-end tests",
    debian: &["default-jdk-headless"],
    present: || command::works(Command::new("javac").arg("-version")),
}];

/// The independent client of the end-to-end tests.
pub(crate) const KCAT: &[Need] = &[Need {
    what: "kcat",
    why: "reads alerts back in the end-to-end tests",
    debian: &["kcat"],
    present: || command::works(Command::new("kcat").arg("-V")),
}];

/// Installs those of the needs that are missing, then checks them again.
pub(crate) fn ensure(needs: &[&[Need]]) -> Result<()> {
    let missing: Vec<&Need> = needs.iter().copied().flatten().filter(|need| !(need.present)()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for need in &missing {
        say(&format!("missing: {} ({}); Debian package {}", need.what, need.why, need.debian.join(" ")));
    }
    let packages: Vec<&str> = missing.iter().flat_map(|need| need.debian.iter().copied()).collect();
    install(&packages)?;
    match missing.iter().find(|need| !(need.present)()) {
        Some(need) => bail!(
            "{} is still missing after installing {}; install it by hand",
            need.what,
            need.debian.join(" ")
        ),
        None => Ok(()),
    }
}

fn install(packages: &[&str]) -> Result<()> {
    if command::find("apt-get").is_none() {
        bail!(
            "cannot install {} without apt-get; install them with this system's package manager and run again",
            packages.join(" ")
        );
    }
    let root = command::output(Command::new("id").arg("-u")).is_some_and(|id| id.trim() == "0");
    if !root && command::find("sudo").is_none() {
        bail!(
            "cannot install {} without root; run `apt-get install {0}` as root and run again",
            packages.join(" ")
        );
    }
    let apt = |args: &[&str]| {
        let mut command = Command::new(if root { "env" } else { "sudo" });
        if !root {
            command.arg("env");
        }
        // apt's lock may be held by another install for a while.
        command
            .args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"])
            .args(args);
        command::run_quietly(&mut command)
    };
    step("apt-get update", || apt(&["update"]))?;
    let install = [&["install", "-y", "--no-install-recommends"], packages].concat();
    step(&format!("apt-get install {}", packages.join(" ")), || apt(&install))
}

/// Whether the compiler makes a program of the source and links it.
fn compiles(compiler: &str, language: &str, source: &str) -> bool {
    let child = Command::new(compiler)
        .args([language, "-", "-o", "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else { return false };
    let wrote = child.stdin.take().is_some_and(|mut stdin| stdin.write_all(source.as_bytes()).is_ok());
    child.wait().is_ok_and(|status| status.success()) && wrote
}

fn java_version() -> Option<u32> {
    command::output(Command::new("java").arg("-version")).as_deref().and_then(parse_java_version)
}

/// The major version in what `java -version` says: `"17.0.15"` is 17, `"1.8.0_392"` is 8.
fn parse_java_version(said: &str) -> Option<u32> {
    let quoted = said.split('"').nth(1)?;
    let mut numbers = quoted.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    match numbers.next()?.ok()? {
        1 => numbers.next()?.ok(),
        major => Some(major),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_versions_old_and_new() {
        for (said, version) in [
            ("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime", Some(17)),
            ("openjdk version \"21\" 2023-09-19", Some(21)),
            ("java version \"1.8.0_392\"", Some(8)),
            ("openjdk version \"25-ea\" 2025-09-16", Some(25)),
            ("command not found", None),
            ("version \"\"", None),
        ] {
            assert_eq!(parse_java_version(said), version, "{said}");
        }
    }

    #[test]
    fn a_missing_header_is_noticed() {
        // Skipped by name where the machine has no compiler: this very check is what installs one.
        if command::find("cc").is_none() {
            eprintln!("skipped a_missing_header_is_noticed: no C compiler");
            return;
        }
        assert!(compiles("cc", "-xc", "int main(void){return 0;}"));
        assert!(!compiles("cc", "-xc", "#include <no-such-header.h>\nint main(void){return 0;}"));
        assert!(!compiles("no-such-compiler", "-xc", "int main(void){return 0;}"));
    }
}
