//! `bedwatch models list|verify|card|search`.

use std::path::PathBuf;

use anyhow::{Context, bail};
use bedwatch_inference::{bundle::Bundle, search::Search};
use clap::Subcommand;

use crate::{setup, terminal};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Lists the bundles with name, version and kind.
    List {
        /// The folder of bundles.
        #[arg(long)]
        folder: Option<PathBuf>,
    },
    /// Checks every file's hash, and each model's opsets, inputs and outputs.
    Verify {
        /// The folder of bundles.
        #[arg(long)]
        folder: Option<PathBuf>,
    },
    /// Finds a bundle's simulated stretches that look most like a text.
    Search {
        /// The text, e.g. "septic shock on noradrenaline".
        text: String,
        /// A fusion's or an encoder's bundle; without one, the fusion in force by default.
        #[arg(long)]
        bundle: Option<String>,
        /// How many stretches.
        #[arg(long, default_value_t = 5)]
        top: usize,
        /// Says it as one JSON object.
        #[arg(long)]
        json: bool,
        /// The folder of bundles.
        #[arg(long)]
        folder: Option<PathBuf>,
    },
    /// Prints a bundle's model card.
    Card {
        /// The bundle's name.
        name: String,
        /// The folder of bundles.
        #[arg(long)]
        folder: Option<PathBuf>,
    },
}

pub(super) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::List { folder } => list(&at(folder.as_ref())),
        Command::Verify { folder } => verify(&at(folder.as_ref())),
        Command::Search { text, bundle, top, json, folder } => {
            let name = bundle.clone().unwrap_or_else(|| crate::config::Models::default().fusion);
            let found = Search::load(&Bundle::open(at(folder.as_ref()).join(name))?)?.find(text, *top)?;
            if *json {
                terminal::result(&serde_json::to_string(&found)?);
                return Ok(());
            }
            if !found.unknown.is_empty() {
                terminal::note(&format!("words the bundle does not know: {}", found.unknown.join(", ")));
            }
            for hit in &found.stretches {
                terminal::result(&format!("{:6.3}  {}  {}", hit.cosine, hit.id, hit.words));
            }
            Ok(())
        }
        Command::Card { name, folder } => {
            let bundle = Bundle::open(at(folder.as_ref()).join(name))?;
            terminal::result(&bundle.card());
            Ok(())
        }
    }
}

/// The given folder, or the one `run` would use.
fn at(folder: Option<&PathBuf>) -> PathBuf {
    setup::models_folder(folder.map_or(std::path::Path::new(""), PathBuf::as_path))
}

fn folders(folder: &std::path::Path) -> anyhow::Result<Vec<PathBuf>> {
    let read = std::fs::read_dir(folder)
        .with_context(|| format!("the folder {} cannot be read", folder.display()))?;
    let mut found: Vec<PathBuf> =
        read.filter_map(Result::ok).map(|e| e.path()).filter(|p| p.join("manifest.toml").is_file()).collect();
    found.sort();
    if found.is_empty() {
        bail!("no model bundle stands in {}", folder.display());
    }
    Ok(found)
}

fn list(folder: &std::path::Path) -> anyhow::Result<()> {
    for path in folders(folder)? {
        match Bundle::open(&path) {
            Ok(bundle) => {
                let m = bundle.model();
                terminal::result(&format!("{} {} ({})", m.name, m.version, bundle.manifest().kind));
            }
            Err(error) => terminal::result(&format!("{}: refused: {error}", path.display())),
        }
    }
    Ok(())
}

fn verify(folder: &std::path::Path) -> anyhow::Result<()> {
    let mut refused = 0;
    for path in folders(folder)? {
        match Bundle::open(&path) {
            Ok(bundle) => {
                let m = bundle.model();
                terminal::result(&format!("{} {}: every file stands", m.name, m.version));
            }
            Err(error) => {
                refused += 1;
                terminal::result(&format!("{}: refused: {error}", path.display()));
            }
        }
    }
    if refused > 0 {
        bail!("{refused} {} refused", if refused == 1 { "bundle is" } else { "bundles are" });
    }
    Ok(())
}
