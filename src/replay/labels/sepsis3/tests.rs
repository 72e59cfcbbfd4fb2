//! Every boundary of both versions, and laws that any acts and scores obey.

use proptest::prelude::*;

use super::*;

fn at(minutes: i64) -> EventTime {
    EventTime::from_millis(1_700_006_400_000).floor(Span::hours(24)) + Span::minutes(minutes)
}

fn hours(hours: i64) -> EventTime {
    at(hours * 60)
}

fn blood(taken: When) -> Culture {
    Culture { taken, is_blood: true }
}

/// A course in a vein for so many hours.
fn given(begun: When, lasts: i64) -> Antibiotic {
    Antibiotic { begun, until: begun.earliest() + Span::hours(lasts), is_intravenous: true }
}

fn infection(cultures: &[Culture], antibiotics: &[Antibiotic]) -> Infection {
    Infection { cultures: cultures.to_vec(), antibiotics: antibiotics.to_vec() }
}

/// Scores by the hour: the points from each of some hours on.
fn scores(until: i64, steps: &[(i64, u8)]) -> Vec<Sofa> {
    let points = |h: i64| steps.iter().rev().find(|s| s.0 <= h).map_or(0, |s| s.1);
    (0..=until).map(|h| Sofa { at: hours(h), points: points(h) }).collect()
}

#[test]
fn culture_and_antibiotic_at_every_boundary() {
    let day = |d: i64| When::Day(hours(d * 24));
    // Culture, antibiotic, the suspicion in minutes and whether it is a date.
    type Case = (When, When, Option<(i64, bool)>);
    let cases: [Case; 15] = [
        (When::At(at(0)), When::At(at(0)), Some((0, false))),
        (When::At(at(0)), When::At(at(1)), Some((0, false))),
        (When::At(at(0)), When::At(at(72 * 60)), Some((0, false))),
        (When::At(at(0)), When::At(at(72 * 60 + 1)), None),
        (When::At(at(1)), When::At(at(0)), Some((0, false))),
        (When::At(at(24 * 60)), When::At(at(0)), Some((0, false))),
        (When::At(at(24 * 60 + 1)), When::At(at(0)), None),
        // Dates: three days after, one day before, the culture first on the same day.
        (When::At(at(600)), day(0), Some((600, false))),
        (When::At(at(600)), day(3), Some((600, false))),
        (When::At(at(600)), day(4), None),
        (When::At(at(600)), day(-1), Some((-1_440, true))),
        (When::At(at(600)), day(-2), None),
        (day(0), When::At(at(600)), Some((0, true))),
        (day(1), When::At(at(600)), Some((600, false))),
        (day(2), When::At(at(600)), None),
    ];
    for (culture, antibiotic, want) in cases {
        let infection = infection(&[blood(culture)], &[given(antibiotic, 96)]);
        let want: Vec<_> = want.into_iter().map(|(m, is_date)| Suspicion { at: at(m), is_date }).collect();
        for version in Version::ALL {
            assert_eq!(suspicions(version, &infection), want, "{culture:?} {antibiotic:?} {version:?}");
        }
    }
}

#[test]
fn an_antibiotic_goes_with_the_earliest_culture_before_it() {
    let cultures = [-80, -70, -2, 3].map(|h| blood(When::At(hours(h))));
    let infection = infection(&cultures, &[given(When::At(hours(0)), 96)]);
    let got = suspicions(Version::Seymour2016, &infection);
    assert_eq!(got, [Suspicion { at: hours(-70), is_date: false }]);
}

#[test]
fn seymour_looks_from_48_h_before_to_24_h_after() {
    let suspected = infection(&[blood(When::At(hours(100)))], &[given(When::At(hours(110)), 8)]);
    let septic = Onset::At(Suspicion { at: hours(100), is_date: false });
    for (steps, want) in [
        // A single hour of two points.
        (&[(51, 2), (52, 0)][..], Onset::Never),
        (&[(52, 2), (53, 0)], septic),
        (&[(124, 2), (125, 0)], septic),
        (&[(125, 2), (126, 0)], Onset::Never),
        (&[(100, 1)], Onset::Never),
        (&[(100, 2)], septic),
        // Above what it was before.
        (&[(10, 3), (100, 4)], Onset::Never),
        (&[(10, 3), (100, 5)], septic),
        (&[(10, 3)], Onset::Never),
        (&[(10, 3), (51, 0), (60, 2)], septic),
    ] {
        let got = onset(Version::Seymour2016, &suspected, &scores(200, steps), (hours(0), hours(200)));
        assert_eq!(got, want, "{steps:?}");
    }
    // Nothing is known before the stretch: the baseline is 0.
    let early = infection(&[blood(When::At(hours(10)))], &[given(When::At(hours(10)), 8)]);
    let got = onset(Version::Seymour2016, &early, &scores(50, &[(0, 2)]), (hours(0), hours(50)));
    assert_eq!(got.time(), Some(hours(10)));
}

#[test]
fn the_challenge_looks_from_24_h_before_to_12_h_after() {
    let suspected = infection(&[blood(When::At(hours(100)))], &[given(When::At(hours(110)), 72)]);
    for (steps, want) in [
        (&[(75, 2)][..], None),
        (&[(76, 2)], Some(76)),
        (&[(90, 2)], Some(90)),
        (&[(100, 2)], Some(100)),
        (&[(112, 2)], Some(100)),
        (&[(113, 2)], None),
        (&[(90, 1)], None),
        // Two points within 24 h, and not within 25.
        (&[(80, 1), (103, 2)], Some(100)),
        (&[(80, 1), (104, 2)], None),
        (&[(60, 5), (90, 6)], None),
        (&[(60, 5), (90, 7)], Some(90)),
        // High and never rising is no rise.
        (&[(0, 8)], None),
    ] {
        let got = onset(Version::Cinc2019, &suspected, &scores(200, steps), (hours(0), hours(200)));
        assert_eq!(got.time(), want.map(hours), "{steps:?}");
    }
}

#[test]
fn the_challenge_asks_for_blood_veins_and_three_days() {
    let sofa = scores(300, &[(100, 2)]);
    let found = |cultures: &[Culture], antibiotics: &[Antibiotic]| {
        let infection = infection(cultures, antibiotics);
        Version::ALL.map(|v| onset(v, &infection, &sofa, (hours(0), hours(300))).time().is_some())
    };
    let (culture, course) = (blood(When::At(hours(100))), given(When::At(hours(100)), 72));
    assert_eq!(found(&[culture], &[course]), [true, true]);
    assert_eq!(found(&[Culture { is_blood: false, ..culture }], &[course]), [true, false]);
    assert_eq!(found(&[culture], &[Antibiotic { is_intravenous: false, ..course }]), [true, false]);
    let short = given(When::At(hours(100)), 48);
    for (next, lasts, want) in [(148, 24, true), (148, 23, false), (160, 24, true), (161, 24, false)] {
        let next = given(When::At(hours(next)), lasts);
        assert_eq!(found(&[culture], &[short, next]), [true, want], "{next:?}");
        // The challenge's antibiotics are intravenous, all of them.
        let by_mouth = Antibiotic { is_intravenous: false, ..next };
        assert_eq!(found(&[culture], &[short, by_mouth]), [true, false]);
    }
}

#[test]
fn what_came_with_the_patient_is_no_onset() {
    for (suspected, want) in [
        (-20, Onset::CameWith),
        (3, Onset::CameWith),
        (4, Onset::At(Suspicion { at: hours(4), is_date: false })),
    ] {
        let when = When::At(hours(suspected));
        let infection = infection(&[blood(when)], &[given(when, 96)]);
        let sofa = scores(60, &[(3, 2)]);
        let got = onset(Version::Seymour2016, &infection, &sofa, (hours(0), hours(60)));
        assert_eq!(got, want, "{suspected}");
    }
    let when = When::At(hours(60));
    let infection = infection(&[blood(when)], &[given(when, 96)]);
    let sofa = scores(60, &[(50, 2)]);
    for (ends, want) in [(60, Some(hours(60))), (59, None)] {
        let stay = (hours(0), hours(ends));
        assert_eq!(onset(Version::Seymour2016, &infection, &sofa, stay).time(), want, "{ends}");
    }
}

prop_compose! {
    fn when()(minutes in -6_000_i64..12_000, is_date in any::<bool>()) -> When {
        let at = at(minutes);
        if is_date { When::Day(at.floor(Span::hours(24))) } else { When::At(at) }
    }
}

prop_compose! {
    fn acts()(
        cultures in prop::collection::vec((when(), any::<bool>()), 0..5),
        antibiotics in prop::collection::vec((when(), 24_i64..120, any::<bool>()), 0..6),
    ) -> Infection {
        let mut infection = Infection {
            cultures: cultures.into_iter().map(|(taken, is_blood)| Culture { taken, is_blood }).collect(),
            antibiotics: antibiotics
                .into_iter()
                .map(|(begun, lasts, is_intravenous)| Antibiotic { is_intravenous, ..given(begun, lasts) })
                .collect(),
        };
        infection.cultures.sort_unstable();
        infection.antibiotics.sort_unstable();
        infection
    }
}

fn moved(infection: &Infection, by: Span) -> Infection {
    let move_when = |when: When| match when {
        When::At(at) => When::At(at + by),
        When::Day(at) => When::Day(at + by),
    };
    Infection {
        cultures: infection.cultures.iter().map(|c| Culture { taken: move_when(c.taken), ..*c }).collect(),
        antibiotics: infection
            .antibiotics
            .iter()
            .map(|a| Antibiotic { begun: move_when(a.begun), until: a.until + by, ..*a })
            .collect(),
    }
}

proptest! {
    /// A suspicion begins with one of its acts, and the challenge suspects nobody whom Seymour does not.
    #[test]
    fn a_suspicion_begins_with_an_act(infection in acts()) {
        let all = suspicions(Version::Seymour2016, &infection);
        let cultures = infection.cultures.iter().map(|c| c.taken);
        let acts: Vec<When> = cultures.chain(infection.antibiotics.iter().map(|a| a.begun)).collect();
        for s in &all {
            prop_assert!(acts.iter().any(|a| a.earliest() == s.at && a.is_date() == s.is_date));
        }
        prop_assert!(suspicions(Version::Cinc2019, &infection).is_empty() || !all.is_empty());
    }

    /// A calendar moved by whole days moves the onset with it and changes nothing else.
    #[test]
    fn days_are_all_alike(
        infection in acts(),
        points in prop::collection::vec(0_u8..8, 1..200),
        days in -400_i64..400,
    ) {
        let by = Span::hours(24 * days);
        let sofa: Vec<Sofa> =
            (0_i64..).zip(&points).map(|(h, p)| Sofa { at: hours(h), points: *p }).collect();
        let later: Vec<Sofa> = sofa.iter().map(|s| Sofa { at: s.at + by, ..*s }).collect();
        let stay = (hours(0), hours(points.len() as i64));
        for version in Version::ALL {
            let got = onset(version, &infection, &sofa, stay);
            let again = onset(version, &moved(&infection, by), &later, (stay.0 + by, stay.1 + by));
            prop_assert_eq!(got.time().map(|at| at + by), again.time());
            prop_assert_eq!(got == Onset::CameWith, again == Onset::CameWith);
            // An onset lies in the stay and behind its first hours.
            prop_assert!(got.time().is_none_or(|at| at >= hours(4) && at <= stay.1));
        }
    }

    /// One antibiotic more never makes sepsis come later or not at all.
    #[test]
    fn more_antibiotics_are_no_later_onset(
        infection in acts(),
        more in (when(), 24_i64..120),
        points in prop::collection::vec(0_u8..8, 1..200),
    ) {
        let sofa: Vec<Sofa> =
            (0_i64..).zip(&points).map(|(h, p)| Sofa { at: hours(h), points: *p }).collect();
        let stay = (hours(0), hours(points.len() as i64));
        let mut with_more = infection.clone();
        with_more.antibiotics.push(given(more.0, more.1));
        let rank = |onset: Onset| match onset {
            Onset::CameWith => i64::MIN,
            Onset::At(s) => s.at.as_micros(),
            Onset::Never => i64::MAX,
        };
        for version in Version::ALL {
            let before = rank(onset(version, &infection, &sofa, stay));
            let after = rank(onset(version, &with_more, &sofa, stay));
            prop_assert!(after <= before, "{version:?}: {after} for {before}");
        }
    }
}
