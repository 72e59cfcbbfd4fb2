//! Where things lie: the checkout and the cache that outlives it.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// The root of the checkout this binary was built from.
pub(crate) fn root() -> PathBuf {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest.parent().map_or(manifest.clone(), Path::to_path_buf)
}

/// The folder for downloads and for Kafka's data: `BEDWATCH_CACHE`, or `bedwatch` below
/// `XDG_CACHE_HOME` or `~/.cache`.
pub(crate) fn cache() -> Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = choose_cache(set("BEDWATCH_CACHE"), set("XDG_CACHE_HOME"), set("HOME"))
        .context("no cache folder: set BEDWATCH_CACHE or HOME")?;
    let folder =
        std::path::absolute(&folder).with_context(|| format!("cannot resolve {}", folder.display()))?;
    std::fs::create_dir_all(&folder).with_context(|| {
        format!("cannot create the cache folder {}; set BEDWATCH_CACHE to one you own", folder.display())
    })?;
    Ok(folder)
}

fn choose_cache(own: Option<PathBuf>, xdg: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    // The XDG specification has relative values ignored.
    let xdg = xdg.filter(|path| path.is_absolute());
    own.or_else(|| xdg.map(|path| path.join("bedwatch")))
        .or_else(|| home.map(|path| path.join(".cache/bedwatch")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_variable_wins_over_xdg_over_home() {
        let path = |text: &str| Some(PathBuf::from(text));
        assert_eq!(choose_cache(path("/a"), path("/b"), path("/c")), path("/a"));
        assert_eq!(choose_cache(None, path("/b"), path("/c")), path("/b/bedwatch"));
        assert_eq!(choose_cache(None, path("b"), path("/c")), path("/c/.cache/bedwatch"));
        assert_eq!(choose_cache(None, None, None), None);
    }
}
