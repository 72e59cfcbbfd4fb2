//! What a session can reach: the archive's folder, under a name of its own. No other file has one.

use std::{path::Path, sync::Arc};

use datafusion::{
    common::{Result, exec_err},
    error::DataFusionError,
    execution::object_store::ObjectStoreRegistry,
    object_store::{ObjectStore, local::LocalFileSystem},
};
use url::Url;

/// The scheme and host under which the archive is known.
pub(super) const ROOT: &str = "archive://this";

/// A registry of one store that takes no other.
#[derive(Debug)]
pub(super) struct Reach {
    archive: Arc<LocalFileSystem>,
}

impl Reach {
    pub(super) fn of(folder: &Path) -> Result<Self> {
        let archive = LocalFileSystem::new_with_prefix(folder).map_err(DataFusionError::from)?;
        Ok(Self { archive: Arc::new(archive) })
    }
}

impl ObjectStoreRegistry for Reach {
    fn register_store(&self, _: &Url, _: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        None
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        if url.as_str().strip_prefix(ROOT).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
            return Ok(self.archive.clone());
        }
        exec_err!("only the archive can be read")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_but_the_archives_can_be_reached() {
        let reach = Reach::of(&std::env::temp_dir()).unwrap();
        for (url, reached) in [
            ("archive://this/", true),
            ("archive://this", true),
            ("archive://this/events/x.parquet", true),
            ("archive://thisother/", false),
            ("file:///etc/passwd", false),
            ("file:///", false),
            ("s3://bucket/", false),
            ("http://127.0.0.1/", false),
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!(reach.get_store(&url).is_ok(), reached, "{url}");
        }
        let file = Url::parse("file:///").unwrap();
        reach.register_store(&file, Arc::new(LocalFileSystem::new()));
        assert!(reach.get_store(&file).is_err(), "nothing can be added");
    }
}
