//! Writes `replay-data/samples/` anew: `cargo run --release -p bedwatch-replay-data --example write_samples`.

use std::{error::Error, fs, path::Path};

use bedwatch_replay_data::simulator::samples;

fn main() -> Result<(), Box<dyn Error>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let samples = samples::samples();
    for sample in &samples {
        let path = dir.join(&sample.path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, &sample.bytes)?;
    }
    fs::write(dir.join("manifest.toml"), samples::manifest(&samples))?;
    Ok(())
}
