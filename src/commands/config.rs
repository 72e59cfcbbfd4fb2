//! `bedwatch config check|default`.

use std::path::PathBuf;

use clap::Subcommand;

use crate::{config::Config, terminal};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Reads a configuration as `run` would and says whether it stands.
    Check {
        /// The file.
        file: PathBuf,
    },
    /// Prints the defaults as TOML.
    Default,
}

pub(super) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Check { file } => {
            let config = super::load_config(Some(file))?;
            terminal::result(&format!("{} stands (hash {})", file.display(), config.hash()));
        }
        Command::Default => terminal::result(&Config::default_toml()),
    }
    Ok(())
}
