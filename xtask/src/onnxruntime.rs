//! The ONNX Runtime library, taken from PyPI's `onnxruntime` wheel through the machine's own pip.
//!
//! Why the wheel: it is the one build of the library that every package mirror carries. The wheel is
//! asked for by a fixed Python tag, not the machine's, since only the C library in it is used; so one
//! hash per processor is enough. Wheel and library are both checked against the hashes below. `ort`
//! 2.0.0-rc.15 with `api-24` asks the library for API version 24, which 1.24 and later serve.

use crate::command;
use crate::progress::{say, step};
use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The pinned release.
pub(crate) const VERSION: &str = "1.32.0";

/// The wheel for one processor.
struct Wheel {
    arch: &'static str,
    platform: &'static str,
    file: &'static str,
    sha256: &'static str,
    library_sha256: &'static str,
}

const WHEELS: &[Wheel] = &[
    Wheel {
        arch: "x86_64",
        platform: "manylinux_2_28_x86_64",
        file: "onnxruntime-1.32.0-cp312-cp312-manylinux_2_28_x86_64.whl",
        sha256: "99e1074c4b2197accd5073052a465361be17b89c093b8ffb6e6bd8f986c52df8",
        library_sha256: "6c1585d1bbf45b0712ea4a21b705c5fcb4ba04ff2e30f1fbf81a49faf658638f",
    },
    Wheel {
        arch: "aarch64",
        platform: "manylinux_2_28_aarch64",
        file: "onnxruntime-1.32.0-cp312-cp312-manylinux_2_28_aarch64.whl",
        sha256: "e36c187006e7a7c8b8d6d57f1a209dd63f52430dca6c282b177718ad6b841054",
        library_sha256: "49852228a93995158b2a813d4df487d47a1b76b0eaa894507ef49e91b6d7954a",
    },
];

const PYTHON_TAG: &str = "312";

/// Copies one member of a wheel to a file: wheel, member, target.
const EXTRACT: &str = "\
import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel, wheel.open(sys.argv[2]) as source, open(sys.argv[3], 'wb') as target:
    shutil.copyfileobj(source, target)";

fn wheel_for(arch: &str) -> Result<&'static Wheel> {
    WHEELS.iter().find(|wheel| wheel.arch == arch).with_context(|| {
        format!("no pinned ONNX Runtime for {arch}; install libonnxruntime {VERSION} and point BEDWATCH_ONNXRUNTIME at it")
    })
}

/// Where the library is or will be.
fn library_path(cache: &Path) -> PathBuf {
    cache.join("onnxruntime").join(VERSION).join("libonnxruntime.so")
}

/// Whether the cached library is there and has the pinned hash; then pip is not needed.
pub(crate) fn cached(cache: &Path) -> Result<Option<PathBuf>> {
    let wheel = wheel_for(std::env::consts::ARCH)?;
    let library = library_path(cache);
    if !library.exists() {
        return Ok(None);
    }
    if sha256_of(&library)? == wheel.library_sha256 {
        return Ok(Some(library));
    }
    say(&format!("{} does not have the pinned hash; fetching it again", library.display()));
    Ok(None)
}

/// Downloads the wheel, checks it, and puts the library in its place in one rename.
pub(crate) fn fetch(cache: &Path) -> Result<PathBuf> {
    let wheel = wheel_for(std::env::consts::ARCH)?;
    let library = library_path(cache);
    let folder = library.parent().expect("the library path has a folder");
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let scratch = folder.join(format!("download-{}", std::process::id()));
    std::fs::create_dir_all(&scratch).with_context(|| format!("cannot create {}", scratch.display()))?;
    let outcome = fetch_into(wheel, &scratch, &library);
    std::fs::remove_dir_all(&scratch).ok();
    outcome.map(|()| library)
}

fn fetch_into(wheel: &Wheel, scratch: &Path, library: &Path) -> Result<()> {
    step(&format!("pip download onnxruntime=={VERSION} ({})", wheel.platform), || {
        let mut pip = Command::new("python3");
        pip.args([
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--only-binary=:all:",
        ])
        .args(["--implementation", "cp", "--python-version", PYTHON_TAG])
        .args(["--abi", &format!("cp{PYTHON_TAG}"), "--platform", wheel.platform, "--dest"])
        .arg(scratch)
        .arg(format!("onnxruntime=={VERSION}"));
        command::run(&mut pip)
            .context("pip could not fetch the ONNX Runtime wheel; check the network and pip's index settings")
    })?;
    let file = scratch.join(wheel.file);
    verify(&file, wheel.sha256)?;
    let extracted = scratch.join("libonnxruntime.so");
    let member = format!("onnxruntime/capi/libonnxruntime.so.{VERSION}");
    command::run(Command::new("python3").args(["-c", EXTRACT]).arg(&file).arg(&member).arg(&extracted))
        .with_context(|| format!("cannot unpack {member}"))?;
    verify(&extracted, wheel.library_sha256)?;
    std::fs::rename(&extracted, library).with_context(|| format!("cannot place {}", library.display()))
}

/// Refuses a file whose hash is not the pinned one.
pub(crate) fn verify(file: &Path, expected: &str) -> Result<()> {
    let found = sha256_of(file)?;
    if found != expected {
        bail!(
            "{} has SHA-256 {found}, expected {expected}; it is not the pinned release, so it is not used",
            file.display()
        );
    }
    Ok(())
}

/// The hash of a file, in lower-case hex.
pub(crate) fn sha256_of(file: &Path) -> Result<String> {
    let mut reader = std::fs::File::open(file).with_context(|| format!("cannot open {}", file.display()))?;
    let mut hasher = Sha256::new();
    std::io::copy(&mut reader, &mut hasher).with_context(|| format!("cannot read {}", file.display()))?;
    let mut hex = String::with_capacity(64);
    for byte in hasher.finalize() {
        write!(hex, "{byte:02x}").expect("writing to a String does not fail");
    }
    Ok(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        for wheel in WHEELS {
            assert_eq!(
                wheel.file,
                format!("onnxruntime-{VERSION}-cp{PYTHON_TAG}-cp{PYTHON_TAG}-{}.whl", wheel.platform)
            );
            assert!(wheel.platform.ends_with(wheel.arch));
            for hash in [wheel.sha256, wheel.library_sha256] {
                assert!(hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()), "{}", wheel.file);
            }
        }
        assert!(wheel_for("x86_64").is_ok());
        assert!(wheel_for("sparc").is_err());
    }

    #[test]
    fn a_changed_file_is_refused() {
        let file = std::env::temp_dir().join(format!("bedwatch-xtask-hash-{}", std::process::id()));
        std::fs::write(&file, "abc").unwrap();
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        verify(&file, expected).unwrap();
        std::fs::write(&file, "abd").unwrap();
        assert!(verify(&file, expected).unwrap_err().to_string().contains("not the pinned release"));
        std::fs::remove_file(&file).unwrap();
    }
}
