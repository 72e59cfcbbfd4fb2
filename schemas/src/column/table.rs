//! The rows of the dictionary.

use super::{Beats, Info, Infused, Measure, Part, Source, Stat};
use crate::{
    event::Modality,
    evidence::Derived,
    medication::Drug,
    risk::Head,
    score::ScoreKind,
    signal::{Signal, SignalClass},
    summary::{CardiacSummary, EegSummary, GlucoseSummary},
    time::Span,
    unit::Unit,
};

/// The windows: name, words, length. Those of a frame and the ones between that rules are written in.
pub(super) const WINDOWS: [(&str, &str, Span); 9] = [
    ("1m", "one-minute", Span::minutes(1)),
    ("5m", "five-minute", Span::minutes(5)),
    ("10m", "ten-minute", Span::minutes(10)),
    ("30m", "half-hour", Span::minutes(30)),
    ("1h", "one-hour", Span::hours(1)),
    ("4h", "four-hour", Span::hours(4)),
    ("8h", "eight-hour", Span::hours(8)),
    ("12h", "twelve-hour", Span::hours(12)),
    ("24h", "one-day", Span::hours(24)),
];

/// The statistics: name, words of a rationale, words for whoever writes a rule.
const STATS: [(Stat, &str, &str, &str); 7] = [
    (Stat::Mean, "mean", "mean", "mean"),
    (Stat::Min, "min", "minimum", "lowest value"),
    (Stat::Max, "max", "maximum", "highest value"),
    (Stat::Sd, "sd", "standard deviation", "standard deviation"),
    (Stat::Slope, "slope", "hourly change", "slope, by the hour"),
    (Stat::Count, "count", "count", "values received"),
    (Stat::Completeness, "completeness", "completeness", "values received over values expected, 0 to 1"),
];

/// What stands for the first of two signals that speaks of now.
const EITHER: [(&str, &str, [Signal; 2]); 3] = [
    ("map", "mean pressure", [Signal::AbpMean, Signal::NibpMean]),
    ("sbp", "systolic pressure", [Signal::AbpSystolic, Signal::NibpSystolic]),
    ("dbp", "diastolic pressure", [Signal::AbpDiastolic, Signal::NibpDiastolic]),
];

/// The name of one part of what is called `of`.
pub(super) fn part_name(of: &str, part: Part) -> String {
    match part {
        Part::Last => format!("{of}_last"),
        Part::Age => format!("{of}_age_minutes"),
        Part::Delta => format!("{of}_delta"),
        Part::Lowest => format!("{of}_min_24h"),
        Part::Highest => format!("{of}_max_24h"),
        Part::Window(stat, length) => {
            let stat = STATS.iter().find(|s| s.0 == stat).map_or("", |s| s.1);
            let window = WINDOWS.iter().find(|w| w.2 == length).map_or("", |w| w.0);
            format!("{of}_{stat}_{window}")
        }
    }
}

/// The column that says the same as a derived measure, in the same unit.
pub(super) const fn derived(of: Derived) -> Option<&'static str> {
    match of {
        Derived::EegSeizureScore => Some("eeg_seizure_score_percent"),
        Derived::EegSef95 => Some("eeg_sef95_hz"),
        Derived::EegBurstSuppression => Some("eeg_burst_suppression_percent"),
        Derived::EegDominantFrequency => Some("eeg_dominant_frequency_hz"),
        Derived::CgmRate => Some("cgm_rate_mg_dl_min"),
        Derived::CgmForecast => Some("cgm_forecast_20min_mg_dl"),
        Derived::PfRatio | Derived::HrvRmssd => None,
    }
}

struct Rows(Vec<Info>);

impl Rows {
    fn add(
        &mut self,
        name: impl Into<String>,
        label: impl Into<String>,
        measure: Measure,
        meaning: impl Into<String>,
        source: Source,
    ) {
        let (name, label, meaning) = (name.into(), label.into(), meaning.into());
        self.0.push(Info { name, label, measure, meaning, source });
    }
}

pub(super) fn build() -> Vec<Info> {
    let mut rows = Rows(Vec::new());
    rows.add("stay_hours", "length of stay", Measure::Hours, "time since the stay began", Source::StayHours);
    rows.add("age_years", "age", Measure::Years, "the patient's age", Source::AgeYears);
    for (name, label, [first, second]) in EITHER {
        let which = format!("{label}, arterial line, else cuff");
        let of = |part| Source::Either([first, second], part);
        vital(&mut rows, name, label, &which, first.info().unit, &of);
    }
    for &signal in Signal::ALL {
        let info = signal.info();
        let of = |part| Source::Signal(signal, part);
        match info.class {
            SignalClass::Vital => vital(&mut rows, info.name, info.label, info.label, info.unit, &of),
            SignalClass::Charted | SignalClass::Lab => lab(&mut rows, info.name, info.label, info.unit, &of),
        }
    }
    drugs(&mut rows);
    scores(&mut rows);
    eeg(&mut rows);
    for (modality, name, label) in [
        (Modality::Ecg, "ecg", "ECG"),
        (Modality::Pleth, "pleth", "pleth"),
        (Modality::Abp, "abp_wave", "ABP"),
    ] {
        cardiac(&mut rows, modality, name, label);
    }
    sensor(&mut rows);
    rows.0
}

fn latest(rows: &mut Rows, name: &str, label: &str, of: &dyn Fn(Part) -> Source, unit: Unit, meaning: &str) {
    let (last, age) = (of(Part::Last), of(Part::Age));
    rows.add(part_name(name, Part::Last), label, Measure::In(unit), format!("latest {meaning}"), last);
    rows.add(
        part_name(name, Part::Age),
        format!("{label} age"),
        Measure::Minutes,
        format!("time since the latest {meaning}, however old"),
        age,
    );
}

fn vital(rows: &mut Rows, name: &str, label: &str, meaning: &str, unit: Unit, of: &dyn Fn(Part) -> Source) {
    latest(rows, name, label, of, unit, meaning);
    for (stat, _, words, means) in STATS {
        let measure = match stat {
            Stat::Slope => Measure::Hourly(unit),
            Stat::Count => Measure::In(Unit::Score),
            Stat::Completeness => Measure::In(Unit::One),
            Stat::Mean | Stat::Min | Stat::Max | Stat::Sd => Measure::In(unit),
        };
        for (window, stretch, length) in WINDOWS {
            let part = Part::Window(stat, length);
            rows.add(
                part_name(name, part),
                format!("{label} {stretch} {words}"),
                measure,
                format!("{meaning}: {means} of the last {window}"),
                of(part),
            );
        }
    }
}

fn lab(rows: &mut Rows, name: &str, label: &str, unit: Unit, of: &dyn Fn(Part) -> Source) {
    latest(rows, name, label, of, unit, label);
    for (part, words, means) in [
        (Part::Delta, "change", "latest result less the one before"),
        (Part::Lowest, "one-day minimum", "lowest result of 24 h"),
        (Part::Highest, "one-day maximum", "highest result of 24 h"),
    ] {
        let (name, meaning) = (part_name(name, part), format!("{label}: {means}"));
        rows.add(name, format!("{label} {words}"), Measure::In(unit), meaning, of(part));
    }
}

fn drugs(rows: &mut Rows) {
    for drug in Drug::ALL.into_iter().filter(|d| *d != Drug::Other) {
        let name = drug.name();
        let label = format!("{name} infusion");
        for (suffix, label, measure, meaning, part) in [
            ("running", label.clone(), Measure::Truth, "whether it runs", Infused::Running),
            (
                "ug_per_kg_min",
                format!("{label} rate"),
                Measure::In(Unit::UgPerKgMin),
                "rate, 0 when it has ended; unknown in units that no weight converts",
                Infused::Rate,
            ),
            (
                "since_minutes",
                format!("{label} duration"),
                Measure::Minutes,
                "time since it runs, or has ended",
                Infused::Since,
            ),
        ] {
            let (name, meaning) = (format!("{name}_{suffix}"), format!("{name} infusion: {meaning}"));
            rows.add(name, label, measure, meaning, Source::Infusion(drug, part));
        }
    }
}

fn scores(rows: &mut Rows) {
    for kind in ScoreKind::ALL {
        let unit = if kind == ScoreKind::ShockIndex { Unit::One } else { Unit::Score };
        let label = kind.label();
        let whole = format!("{label}, where every part is known");
        rows.add(kind.name(), label, Measure::In(unit), whole, Source::Score(kind));
        if kind != ScoreKind::ShockIndex {
            let name = format!("{}_at_least", kind.name());
            let known = format!("{label}, the points of its known parts: it is at least so high");
            rows.add(name, label, Measure::In(unit), known, Source::ScoreAtLeast(kind));
        }
    }
    for head in Head::ALL {
        let (name, label) = (format!("{}_risk", head.name()), format!("{} risk", head.name()));
        let meaning = format!("the model's calibrated {label}");
        rows.add(name, label, Measure::In(Unit::Percent), meaning, Source::Risk(head));
    }
}

fn eeg(rows: &mut Rows) {
    type Get = fn(&EegSummary) -> Option<f64>;
    let all: [(&str, &str, Measure, &str, Get); 20] = {
        use Measure::{In, Minutes};
        [
            ("good_channels", "good channels", In(Unit::Score), "channels free of artifact", |e| {
                Some(f64::from(e.good_channels))
            }),
            ("relative_delta", "relative delta", In(Unit::One), "delta power over all power", |e| {
                Some(e.relative_power[0])
            }),
            ("relative_theta", "relative theta", In(Unit::One), "theta power over all power", |e| {
                Some(e.relative_power[1])
            }),
            ("relative_alpha", "relative alpha", In(Unit::One), "alpha power over all power", |e| {
                Some(e.relative_power[2])
            }),
            ("relative_beta", "relative beta", In(Unit::One), "beta power over all power", |e| {
                Some(e.relative_power[3])
            }),
            ("alpha_delta_ratio", "alpha delta ratio", In(Unit::One), "alpha over delta power", |e| {
                Some(e.alpha_delta_ratio)
            }),
            (
                "sef95_hz",
                "spectral edge",
                In(Unit::Hertz),
                "frequency below which 95 % of the power lies",
                |e| Some(e.sef95_hz),
            ),
            ("dominant_frequency_hz", "dominant frequency", In(Unit::Hertz), "frequency of the peak", |e| {
                Some(e.dominant_frequency_hz)
            }),
            ("spectral_entropy", "spectral entropy", In(Unit::One), "spectral entropy, 0 to 1", |e| {
                Some(e.spectral_entropy)
            }),
            ("line_length_uv", "line length", In(Unit::MicroVolt), "line length a sample", |e| {
                Some(e.line_length_uv)
            }),
            ("aeeg_lower_uv", "amplitude lower margin", In(Unit::MicroVolt), "lower aEEG margin", |e| {
                e.aeeg_margins_uv.map(|m| m.0)
            }),
            ("aeeg_upper_uv", "amplitude upper margin", In(Unit::MicroVolt), "upper aEEG margin", |e| {
                e.aeeg_margins_uv.map(|m| m.1)
            }),
            (
                "burst_suppression_percent",
                "burst suppression",
                In(Unit::Percent),
                "share of the last 63 s suppressed",
                |e| e.burst_suppression_percent,
            ),
            ("asymmetry", "asymmetry", In(Unit::One), "left against right power, -1 to 1", |e| e.asymmetry),
            ("line_noise_ratio", "line noise ratio", In(Unit::One), "mains power over all power", |e| {
                Some(e.line_noise_ratio)
            }),
            ("artifact_share", "artifact share", In(Unit::One), "share of the last minute rejected", |e| {
                Some(e.artifact_share)
            }),
            ("seizure_score_percent", "seizure score", In(Unit::Percent), "seizure-likeness now", |e| {
                Some(e.seizure_score * 100.0)
            }),
            ("seizure_burden", "seizure burden", In(Unit::One), "seizure-like share of five minutes", |e| {
                Some(e.seizure_burden)
            }),
            (
                "seizure_minutes",
                "seizure duration",
                Minutes,
                "length of the present seizure-like stretch",
                |e| Some(e.seizure_for.as_secs_f64() / 60.0),
            ),
            ("total_power_uv2", "total power", In(Unit::One), "power .5-30 Hz in square microvolts", |e| {
                Some(e.total_power_uv2)
            }),
        ]
    };
    for (name, label, measure, meaning, get) in all {
        let (name, label) = (format!("eeg_{name}"), format!("EEG {label}"));
        rows.add(name, label, measure, format!("EEG: {meaning}"), Source::Eeg(get));
    }
}

fn cardiac(rows: &mut Rows, modality: Modality, prefix: &str, words: &str) {
    type Get = fn(&CardiacSummary) -> Option<f64>;
    let mut add = |name: &str, label: &str, unit, meaning: &str, beats, get: Get| {
        let (name, label) = (format!("{prefix}_{name}"), format!("{words} {label}"));
        let meaning = format!("beats of the {words} waveform: {meaning}");
        rows.add(name, label, Measure::In(unit), meaning, Source::Cardiac(modality, beats, get));
    };
    use Beats::{Minutes, Seconds};
    add("rate_per_min", "rate", Unit::PerMinute, "rate of the last 10 s", Seconds, |c| c.rate_per_min);
    add("quality", "signal quality", Unit::One, "signal quality of the last 10 s, 0 to 1", Seconds, |c| {
        Some(c.quality)
    });
    add("beats", "beats", Unit::Score, "beats of five minutes", Minutes, |c| Some(f64::from(c.beats)));
    add("sdnn_ms", "interval deviation", Unit::Millisecond, "SDNN over five minutes", Minutes, |c| c.sdnn_ms);
    add("rmssd_ms", "interval difference", Unit::Millisecond, "RMSSD over five minutes", Minutes, |c| {
        c.rmssd_ms
    });
    add("pnn50_percent", "interval difference share", Unit::Percent, "pNN50", Minutes, |c| c.pnn50_percent);
    add("lf_ms2", "low-frequency power", Unit::One, "power .04-.15 Hz, ms\u{b2}", Minutes, |c| c.lf_ms2);
    add("hf_ms2", "high-frequency power", Unit::One, "power .15-.4 Hz, ms\u{b2}", Minutes, |c| c.hf_ms2);
    if modality == Modality::Abp {
        add("systolic", "systolic", Unit::MmHg, "systolic pressure of the last 10 s", Seconds, |c| {
            c.pressure.map(|p| p.0)
        });
        add("diastolic", "diastolic", Unit::MmHg, "diastolic pressure of the last 10 s", Seconds, |c| {
            c.pressure.map(|p| p.1)
        });
        add("mean", "mean", Unit::MmHg, "mean pressure of the last 10 s", Seconds, |c| {
            c.pressure.map(|p| p.2)
        });
    }
}

fn sensor(rows: &mut Rows) {
    type Get = fn(&GlucoseSummary) -> Option<f64>;
    let mut add = |name: &str, label: &str, measure, meaning: &str, get: Get| {
        let (name, label) = (format!("cgm_{name}"), format!("sensor glucose {label}"));
        rows.add(name, label, measure, format!("glucose sensor: {meaning}"), Source::Sensor(get));
    };
    use Measure::{In, Minutes};
    add("rate_mg_dl_min", "rate", In(Unit::MgPerDlMin), "change a minute over 15 to 20 min", |g| {
        g.rate_mg_dl_min
    });
    add("forecast_20min_mg_dl", "forecast", In(Unit::MgPerDl), "linear forecast in 20 min", |g| {
        g.forecast_20min_mg_dl
    });
    add("time_in_range_percent", "time in range", In(Unit::Percent), "share of 24 h in 70-180 mg/dL", |g| {
        Some(g.time_in_range_percent)
    });
    add("time_below_percent", "time below range", In(Unit::Percent), "share of 24 h below 70 mg/dL", |g| {
        Some(g.time_below_percent)
    });
    add("time_above_percent", "time above range", In(Unit::Percent), "share of 24 h above 180 mg/dL", |g| {
        Some(g.time_above_percent)
    });
    add("cv_percent", "variation", In(Unit::Percent), "coefficient of variation over 24 h", |g| g.cv_percent);
    add("completeness", "completeness", In(Unit::One), "readings received over expected, 0 to 1", |g| {
        Some(g.completeness)
    });
    add("below_70_minutes", "low duration", Minutes, "time below 70 mg/dL without a break", |g| {
        Some(g.below_70_for.as_secs_f64() / 60.0)
    });
    add("below_54_minutes", "very low duration", Minutes, "time below 54 mg/dL without a break", |g| {
        Some(g.below_54_for.as_secs_f64() / 60.0)
    });
    rows.add(
        "cgm_compression_suspected",
        "sensor glucose compression",
        Measure::Truth,
        "glucose sensor: whether a drop looks like pressure on the sensor",
        Source::Compression,
    );
}
