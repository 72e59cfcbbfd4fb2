//! Writes simulated stays as hourly PSV files for training:
//! `cargo run --release -p bedwatch-replay-data --example ward_psv -- OUT_DIR N SEED HOURS`.

use std::{
    env,
    error::Error,
    fs::{self, File},
    path::PathBuf,
};

use bedwatch_replay_data::simulator::{hourly_table, training_hours, training_scenario, write_psv};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let mut next = || args.next().ok_or("usage: ward_psv OUT_DIR N SEED HOURS");
    let (out, n, seed, most) =
        (PathBuf::from(next()?), next()?.parse::<u64>()?, next()?.parse()?, next()?.parse()?);
    fs::create_dir_all(&out)?;
    for bed in 0..n {
        let stay = hourly_table(seed, bed, training_hours(seed, bed, most), training_scenario(seed, bed));
        write_psv(&stay, File::create(out.join(format!("w{seed:03}{bed:06}.psv")))?)?;
    }
    Ok(())
}
