//! What is settled when a stay begins: admission, moves and discharge, and the results that a
//! demonstration needs.

use bedwatch_schemas::ids::{BedId, Location, PatientId, UnitId};
use rand::Rng;

use super::{HOUR, MINUTE, Plan};
use crate::simulator::{
    course::{Episode, Opening, Scenario},
    hl7::Administrative,
    labs::{Draw, Panel},
    physiology::Physiology,
    rng::{Concern, stream},
};

/// The results that decide a demonstration: drawn before the live start, released just after it.
pub(super) fn forced_draws(scenario: Option<Scenario>) -> Vec<Draw> {
    let draw = |panel, specimen, release, number: u64| Draw {
        panel,
        specimen,
        release,
        number: 90_000 + number,
        corrected: false,
    };
    let mut draws = match scenario {
        Some(Scenario::Sepsis) => vec![
            draw(Panel::Count, -1_900.0, 14.0, 0),
            draw(Panel::Chemistry, -1_900.0, 17.0, 1),
            draw(Panel::Liver, -1_900.0, 20.0, 2),
            draw(Panel::Inflammation, -1_900.0, 25.0, 3),
            draw(Panel::Gas, -300.0, 9.0, 4),
        ],
        Some(Scenario::RespiratoryFailure) => vec![draw(Panel::Gas, -240.0, 20.0, 0)],
        Some(Scenario::HaemorrhagicShock) => {
            vec![draw(Panel::Count, -1_500.0, 28.0, 0), draw(Panel::Gas, -240.0, 22.0, 1)]
        }
        _ => Vec::new(),
    };
    draws.sort_by(|a, b| a.specimen.total_cmp(&b.specimen));
    draws
}

/// Admission, moves and discharge with their times.
pub(super) fn moves(key: (u64, u64, u64), plan: &Plan, body: &Physiology) -> Vec<(i64, Administrative)> {
    let (seed, bed, stay) = key;
    let person = &body.person;
    let place = |unit: &str, bed: &str| Location {
        unit: UnitId::new(unit).expect("a constant"),
        bed: BedId::new(bed).expect("a constant"),
    };
    let mut moves = Vec::new();
    if bed % 8 == 6 {
        // Admitted through the emergency department, moved up two hours later.
        let emergency = place("ED", "03");
        moves.push((plan.from, Administrative::Admit(emergency.clone(), person.id.clone())));
        moves.push((plan.from + 2 * HOUR, Administrative::Transfer(emergency)));
    } else if bed % 32 == 15 {
        // Came unidentified; the temporary number is merged when the papers are found.
        let number: u64 = stream(seed, bed, stay, Concern::Stay).random::<u64>() >> 16;
        let former = PatientId::new(&format!("tmp-{number:012x}")).expect("hexadecimal is a valid id");
        moves.push((plan.from, Administrative::Admit(person.location.clone(), former.clone())));
        moves.push((plan.from + 9 * MINUTE, Administrative::Merge(former)));
    } else {
        moves.push((plan.from, Administrative::Admit(person.location.clone(), person.id.clone())));
    }
    if bed % 3 == 0 {
        moves.push((plan.from + 3 * HOUR, Administrative::Update));
    }
    moves.retain(|m| m.0 < plan.to);
    moves.push((plan.to, Administrative::Discharge));
    moves
}

/// The opening episode of a demonstrated scenario.
pub(crate) fn demo_opening(scenario: Scenario) -> Opening {
    Opening::First(Episode::demo(scenario))
}
