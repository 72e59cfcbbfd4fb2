//! `bedwatch compare`: two replays of the same records against each other.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::{
    compare::{self, Run, report},
    terminal,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The output folder of the replay with what is in force.
    a: PathBuf,
    /// The output folder of the replay with the candidate.
    b: PathBuf,
    /// Where compare.html and compare.json go.
    #[arg(long, default_value = "compare-out")]
    out: PathBuf,
    /// Prints compare.json as one line on standard output.
    #[arg(long)]
    json: bool,
    /// Compares runs of other records too, and says so.
    #[arg(long)]
    anyway: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let (a, b) = (Run::read(&args.a)?, Run::read(&args.b)?);
    let comparison = compare::of(&a, &b, args.anyway)?;
    std::fs::create_dir_all(&args.out).with_context(|| format!("{} cannot be made", args.out.display()))?;
    let write = |name: &str, text: String| {
        let path = args.out.join(name);
        std::fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))
    };
    let names = [name(&args.a), name(&args.b)];
    write("compare.html", report::html(&comparison, [&names[0], &names[1]]))?;
    write("compare.json", serde_json::to_string_pretty(&comparison)? + "\n")?;
    if args.json {
        terminal::result(&serde_json::to_string(&comparison)?);
        return Ok(());
    }
    report::sentences(&comparison).iter().for_each(|line| terminal::result(line));
    terminal::note(&format!("comparison in {}", args.out.join("compare.html").display()));
    Ok(())
}

/// The folder's own name.
fn name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned())
}
