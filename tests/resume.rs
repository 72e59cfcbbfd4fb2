//! A replay cut off by `kill -9` and resumed writes what an uninterrupted one writes.

use std::{
    path::Path,
    process::{Child, Stdio},
};

use bedwatch::replay::journal;

use crate::support::{Folder, bedwatch, has_onnxruntime, ok};

const WARD: &str = "ward:beds=10,history=6h,live=2m,rate=0.5";

#[test]
fn a_replay_killed_and_resumed_gives_the_same_report() {
    if !has_onnxruntime("resume") {
        return;
    }
    let folder = Folder::new("resume");
    let (whole, cut) = (folder.join("whole"), folder.join("cut"));
    ok(&mut replay(&whole, "2"));
    for kills in 1.. {
        let before = std::fs::metadata(cut.join(journal::FILE)).map_or(0, |about| about.len());
        let mut child = replay(&cut, "1").arg("--resume").stderr(Stdio::null()).spawn().unwrap();
        let finished = grown(&mut child, &cut.join(journal::FILE), before);
        child.kill().unwrap();
        child.wait().unwrap();
        if !finished {
            println!("{} kills, then it came to its end", kills - 1);
            assert!(kills > 3, "it came to its end before it could be killed");
            break;
        }
        if kills == 1 {
            let other = replay(&cut, "1").args(["--resume", "--quick"]).output().unwrap();
            let said = String::from_utf8_lossy(&other.stderr).into_owned();
            assert!(!other.status.success() && said.contains("--resume"), "other settings resumed: {said}");
        }
    }
    same(&whole, &cut);
}

fn replay(out: &Path, threads: &str) -> std::process::Command {
    let mut command = bedwatch();
    command.args(["replay", WARD, "--threads", threads, "--out"]).arg(out);
    command
}

/// Waits until the journal has grown past `before`; false when the replay ends first.
fn grown(child: &mut Child, journal: &Path, before: u64) -> bool {
    loop {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        match std::fs::metadata(journal) {
            // The first record says what the replay is of and is shorter than any outcome.
            Ok(about) if about.len() > before.max(400) => return true,
            _ => std::thread::yield_now(),
        }
    }
}

fn same(one: &Path, other: &Path) {
    let names = |of: &Path| {
        let mut names: Vec<_> = std::fs::read_dir(of).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(one), names(other));
    for name in names(one) {
        let [a, b] = [one, other].map(|of| std::fs::read(of.join(&name)).unwrap());
        assert!(a == b, "{name:?} differs");
    }
}
