//! The newcomer's and developer's commands: `cargo xtask setup | demo | test | kafka up|down`.
//!
//! It is the first thing a newcomer compiles, so it stands on the standard library, `anyhow` and
//! `sha2` alone and lets the machine's own clients (apt, pip, maven, cargo) fetch what is missing.
//! Progress goes to stderr; stdout carries only what a script wants to read: the path of the ONNX
//! Runtime library, Kafka's bootstrap address, the program's own output.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool speaks to the terminal")]
#![allow(clippy::disallowed_methods, reason = "it times its own steps; no patient's time passes here")]

mod command;
mod demo;
mod gate;
mod jars;
mod kafka;
mod native;
mod onnxruntime;
mod peers;
mod places;
mod progress;
mod setup;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "\
Usage: cargo xtask COMMAND

  setup                  install what is missing and print the path of the ONNX Runtime library
  demo [-- ARGS]         setup, build in release, run `bedwatch demo ARGS`
  test [-- ARGS]         setup, then formatting, lints, licences, tidiness, every test (ARGS go to cargo test)
  tidy                   only the tidiness checks of `test`
  kafka up [--port N]    start a local Apache Kafka, create the topics, print the bootstrap address
  kafka down             stop it and remove its data
  peers NAME             fetch a real peer of the tests (hl7v2, fhir, hl7apy, readers), print its folder

Environment: BEDWATCH_CACHE (default ~/.cache/bedwatch), CARGO_TARGET_DIR.
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["setup"] => setup::run(setup::For::Demo).map(|library| println!("{}", library.display())),
        ["demo", rest @ ..] => demo::run(after_dashes(rest)),
        ["test", rest @ ..] => gate::run(after_dashes(rest)),
        ["tidy"] => tidy::check(&places::root()).map(|summary| eprintln!("{summary}")),
        ["kafka", "up"] => kafka::up(kafka::DEFAULT_PORT).map(|bootstrap| println!("{bootstrap}")),
        ["kafka", "up", "--port", port] => match port.parse() {
            Ok(port) => kafka::up(port).map(|bootstrap| println!("{bootstrap}")),
            Err(_) => return usage(),
        },
        ["kafka", "down"] => kafka::down(),
        ["peers", name] => peers::libraries(name).map(|libraries| println!("{}", libraries.display())),
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(())
        }
        _ => return usage(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprint!("{USAGE}");
    ExitCode::from(2)
}

/// `cargo xtask demo -- --json` and `cargo xtask demo --json` mean the same.
fn after_dashes<'a>(rest: &'a [&'a str]) -> &'a [&'a str] {
    match rest {
        ["--", tail @ ..] => tail,
        _ => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::after_dashes;

    #[test]
    fn only_the_first_dashes_are_ours() {
        assert_eq!(after_dashes(&["--", "--json"]), ["--json"]);
        assert_eq!(after_dashes(&["--json"]), ["--json"]);
        assert_eq!(after_dashes(&["--", "--", "--nocapture"]), ["--", "--nocapture"]);
        assert!(after_dashes(&[]).is_empty());
    }
}
