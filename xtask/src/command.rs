//! Running other programs: their chatter goes to stderr, their failure is one sentence.

use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Runs to the end with the program's stdout on our stderr, so that ours stays clean.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let stderr = std::io::stderr().as_fd().try_clone_to_owned().context("cannot share stderr")?;
    let status = command
        .stdout(Stdio::from(stderr))
        .status()
        .with_context(|| format!("cannot start `{}`", show(command)))?;
    if !status.success() {
        bail!("`{}` failed ({status})", show(command));
    }
    Ok(())
}

/// Runs to the end in silence, for programs that chatter; where it fails, the end of what it said is
/// part of the error.
pub(crate) fn run_quietly(command: &mut Command) -> Result<()> {
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("cannot start `{}`", show(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        bail!("`{}` failed ({}), saying:\n{}", show(command), output.status, last_lines(&said, 10));
    }
    Ok(())
}

/// The end of a long text.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// Whether the program starts and ends well; says nothing.
pub(crate) fn works(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// What the program said on stdout and stderr, where it ended well.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// The first file of that name on the PATH.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Cargo for a nested build: what `cargo run` set for xtask itself must not reach other packages'
/// build scripts, or they would be built again.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") || text == "CARGO_BIN_NAME" {
            command.env_remove(&name);
        }
    }
    command.current_dir(crate::places::root());
    command
}

fn show(command: &Command) -> String {
    let program = command.get_program();
    let name = Path::new(program).file_name().unwrap_or(program);
    let words = std::iter::once(name).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_command() {
        let error = run(Command::new("/bin/false").arg("-x")).unwrap_err().to_string();
        assert!(error.contains("`false -x` failed"), "{error}");
        let error = run(&mut Command::new("no-such-program-here")).unwrap_err().to_string();
        assert!(error.contains("cannot start `no-such-program-here`"), "{error}");
    }

    #[test]
    fn a_quiet_failure_tells_the_end_of_what_was_said() {
        let mut command = Command::new("sh");
        let error =
            run_quietly(command.args(["-c", "seq 1 30; echo reason >&2; exit 3"])).unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.contains("\nreason"), "{error}");
        assert!(!error.contains("\n20\n"), "{error}");
        run_quietly(&mut Command::new("true")).unwrap();
    }

    #[test]
    fn the_end_of_a_text() {
        assert_eq!(last_lines("a\nb\nc", 2), "b\nc");
        assert_eq!(last_lines("a", 2), "a");
        assert_eq!(last_lines("", 2), "");
    }

    #[test]
    fn finds_what_is_there_and_only_that() {
        assert!(find("sh").is_some());
        assert!(find("no-such-program-here").is_none());
        assert!(works(&mut Command::new("true")));
        assert!(!works(&mut Command::new("false")));
        assert_eq!(output(Command::new("sh").args(["-c", "echo a; echo b >&2"])).unwrap(), "a\nb\n");
    }
}
