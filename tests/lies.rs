//! Ways to make a true rationale false (see `adversary.rs`). Each gets a story and chance, and gives
//! the changed text, or says that the change left it true, or `None` where the story has no place for it.

use bedwatch_inference::{
    lexicon::{Lexicon, label, subjects},
    render,
};
use bedwatch_schemas::{
    alert::{Alert, AlertKind, Priority},
    evidence::{Band, Direction, Fact, Subject},
    signal::Signal,
    unit::Unit,
};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// A true rationale and what it rests on.
pub struct Story<'a> {
    pub alert: &'a Alert,
    pub text: String,
    pub lexicon: &'a Lexicon,
}

/// What became of it.
pub enum Lie {
    False(String),
    StillTrue,
}

type Make = fn(&Story<'_>, &mut ChaCha8Rng) -> Option<Lie>;

/// Every kind of invention, by name.
pub const KINDS: [(&str, Make); 26] = [
    ("a number", number),
    ("a unit", unit),
    ("a time", time),
    ("a trend", trend),
    ("an added trend", added_trend),
    ("a band", band),
    ("an added band", added_band),
    ("two subjects swapped", swap),
    ("a value of another subject", borrow),
    ("a drug dose", dose),
    ("advice", advice),
    ("a negation", negation),
    ("a signal that is no fact", signal),
    ("something told as missing", missing),
    ("a number in words", words),
    ("digits of another script", digits),
    ("letters for digits", letters),
    ("a homoglyph", homoglyph),
    ("an invisible character", invisible),
    ("another condition", condition),
    ("another phase", phase),
    ("another urgency", urgency),
    ("a number stretched", stretched),
    ("a limit or range", limit),
    ("a silent feed", feed),
    ("too many words", flood),
];

fn pick<'a, T>(random: &mut ChaCha8Rng, from: &'a [T]) -> Option<&'a T> {
    (!from.is_empty()).then(|| &from[random.random_range(0..from.len())])
}

/// The text with a range replaced.
fn put(text: &str, (from, to): (usize, usize), new: &str) -> String {
    format!("{}{new}{}", &text[..from], &text[to..])
}

/// Where a value stands printed, and the facts it may be.
struct Spot<'a> {
    from: usize,
    to: usize,
    facts: Vec<&'a Fact>,
}

/// Every printed value of the text: number and unit.
fn spots<'a>(story: &Story<'a>) -> Vec<Spot<'a>> {
    let mut found: Vec<Spot<'a>> = Vec::new();
    for fact in &story.alert.evidence.facts {
        let value = render::value(fact);
        for (from, _) in story.text.match_indices(&value) {
            let to = from + value.len();
            let before = story.text[..from].chars().next_back();
            let after: Vec<char> = story.text[to..].chars().take(2).collect();
            let inside = matches!(after.as_slice(), [c, ..] if c.is_alphanumeric() || ":/%-".contains(*c))
                || matches!(after.as_slice(), ['.', c] if c.is_ascii_digit())
                || (render::unit(fact.unit).is_empty() && units_after(&story.text[to..]));
            if before.is_none_or(|c| c == ' ' || c == '(') && !inside {
                match found.iter_mut().find(|s| s.from == from) {
                    Some(spot) => spot.facts.push(fact),
                    None => found.push(Spot { from, to, facts: vec![fact] }),
                }
            }
        }
    }
    found.sort_by_key(|s| s.from);
    found
}

/// Whether the text goes on with a unit: the number before it is not a pure one.
fn units_after(rest: &str) -> bool {
    let next = rest.trim_start().split([' ', ',', ';', ')']).next().unwrap_or_default();
    Unit::ALL.iter().any(|u| !render::unit(*u).is_empty() && render::unit(*u) == next)
}

/// Whether some fact printed with this unit has this value.
fn is_a_value(story: &Story<'_>, number: f64, unit: &str) -> bool {
    story.alert.evidence.facts.iter().any(|f| {
        let step = 0.1_f64.powi(i32::try_from(render::decimals(f.unit, f.value)).unwrap());
        render::unit(f.unit) == unit && (f.value - number).abs() <= 0.5 * step + 1e-9
    })
}

/// The clause around a place: from the last to the next `,` `;` `:` or full stop.
fn clause(text: &str, at: usize) -> (usize, usize) {
    let ends = |i: usize, c: char| match c {
        ',' | ';' => true,
        ':' | '.' => text[i + 1..].chars().next().is_none_or(|n| n == ' '),
        _ => false,
    };
    let from = text[..at].char_indices().rev().find(|(i, c)| ends(*i, *c)).map_or(0, |(i, _)| i + 1);
    let to = text[at..].char_indices().find(|(i, c)| ends(at + i, *c)).map_or(text.len(), |(i, _)| at + i);
    (from, to)
}

/// The facts whose values or names stand in the clause around a place.
fn about<'a>(story: &Story<'a>, at: usize) -> Vec<&'a Fact> {
    let (from, to) = clause(&story.text, at);
    let told = spots(story).into_iter().filter(|s| s.from >= from && s.to <= to).flat_map(|s| s.facts);
    let part = story.text[from..to].to_lowercase();
    let named = story.alert.evidence.facts.iter().filter(|f| {
        (part.contains("blood pressure") && is_blood_pressure(f.subject))
            || names(story, f.subject).iter().any(|n| part.contains(&n.to_lowercase()))
    });
    told.chain(named).collect()
}

/// Whether a subject may be called by the one name that is several signals'.
const fn is_blood_pressure(subject: Subject) -> bool {
    use Signal::{AbpDiastolic, AbpMean, AbpSystolic, NibpDiastolic, NibpMean, NibpSystolic};
    matches!(
        subject,
        Subject::Signal(AbpSystolic | AbpMean | AbpDiastolic | NibpSystolic | NibpMean | NibpDiastolic)
    )
}

/// What a subject may be called.
fn names(story: &Story<'_>, subject: Subject) -> Vec<String> {
    let mut all = story.lexicon.phrases(subject).to_vec();
    all.push(label(subject));
    all
}

/// Where a whole word of the list stands.
fn find(text: &str, list: &[&str]) -> Vec<(usize, usize)> {
    let lower = text.to_lowercase();
    let mut found = Vec::new();
    for word in list {
        for (from, _) in lower.match_indices(word) {
            let to = from + word.len();
            let edge = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '-');
            if edge(lower[..from].chars().next_back()) && edge(lower[to..].chars().next()) {
                found.push((from, to));
            }
        }
    }
    found
}

fn number(story: &Story<'_>, random: &mut ChaCha8Rng) -> Option<Lie> {
    let all = spots(story);
    let spot = pick(random, &all)?;
    let fact = spot.facts[0];
    let old = render::number(fact);
    let decimals = render::decimals(fact.unit, fact.value);
    let step = 0.1_f64.powi(i32::try_from(decimals).unwrap());
    let value: f64 = old.parse().unwrap();
    let new = match random.random_range(0..6) {
        0 => format!("{:.decimals$}", value + step),
        1 => format!("{:.decimals$}", value - step),
        2 => format!("{:.decimals$}", value * random.random_range(0.5..1.5)),
        3 => format!("{:.0}", value),
        4 => old.replace('.', ""),
        _ => {
            let mut swapped: Vec<char> = old.chars().collect();
            let at: Vec<usize> = (0..swapped.len()).filter(|i| swapped[*i].is_ascii_digit()).collect();
            swapped.swap(*pick(random, &at)?, *pick(random, &at)?);
            swapped.into_iter().collect()
        }
    };
    if is_a_value(story, new.parse().ok()?, render::unit(fact.unit)) {
        return Some(Lie::StillTrue);
    }
    Some(Lie::False(put(&story.text, (spot.from, spot.from + old.len()), &new)))
}

fn unit(story: &Story<'_>, random: &mut ChaCha8Rng) -> Option<Lie> {
    let all = spots(story);
    let spot = pick(random, &all)?;
    let number = render::number(spot.facts[0]);
    let old = render::unit(spot.facts[0].unit);
    let others = [
        "mmHg", "kPa", "cmH2O", "/min", "%", "mmol/L", "mg/dL", "g/dL", "°C", "°F", "Hz", "mEq/L", "beats",
        "",
    ];
    let new = *pick(random, &others)?;
    if is_a_value(story, number.parse().ok()?, new) {
        return Some(Lie::StillTrue);
    }
    let value = if new.is_empty() { number } else { format!("{number} {new}") };
    (new != old).then(|| Lie::False(put(&story.text, (spot.from, spot.to), &value)))
}

/// The minutes of the day at which facts were true.
fn clocks(story: &Story<'_>) -> Vec<String> {
    story.alert.evidence.facts.iter().map(|f| f.at.clock()).collect()
}

fn time(story: &Story<'_>, random: &mut ChaCha8Rng) -> Option<Lie> {
    let new = format!("{:02}:{:02}", random.random_range(0..24), random.random_range(0..60));
    if clocks(story).contains(&new) {
        return Some(Lie::StillTrue);
    }
    let told: Vec<(usize, usize)> = clocks(story)
        .iter()
        .flat_map(|c| story.text.match_indices(c.as_str()).map(|(i, c)| (i, i + c.len())).collect::<Vec<_>>())
        .collect();
    if let Some(at) = pick(random, &told).filter(|_| random.random_bool(0.7)) {
        return Some(Lie::False(put(&story.text, *at, &new)));
    }
    let all = spots(story);
    let spot = pick(random, &all)?;
    Some(Lie::False(put(&story.text, (spot.to, spot.to), &format!(" at {new}"))))
}

const TRENDS: [(Direction, &[&str]); 3] = [
    (Direction::Rising, &["rising", "climbing", "increasing"]),
    (Direction::Falling, &["falling", "dropping", "declining"]),
    (Direction::Stable, &["stable", "steady", "unchanged"]),
];

fn trend(story: &Story<'_>, random: &mut ChaCha8Rng) -> Option<Lie> {
    let said = find(&story.text, &TRENDS.iter().flat_map(|(_, w)| w.to_vec()).collect::<Vec<_>>());
    let at = pick(random, &said)?;
    let (direction, list) = TRENDS[random.random_range(0..3)];
    let new = *pick(random, list)?;
    if about(story, at.0).iter().any(|f| f.trend.is_some_and(|t| t.direction == direction)) {
        return Some(Lie::StillTrue);
    }
    Some(Lie::False(put(&story.text, *at, new)))
}

fn added_trend(story: &Story<'_>, random: &mut ChaCha8Rng) -> Option<Lie> {
    let all = spots(story);
    let spot = pick(random, &all)?;
    let (direction, list) = TRENDS[random.random_range(0..3)];
    if about(story, spot.from).iter().any(|f| f.trend.is_some_and(|t| t.direction == direction)) {
        return Some(Lie::StillTrue);
    }
    let form = *pick(random, &[" and X", " (X)", ", X", " now X", " is X", " X"])?;
    Some(Lie::False(put(&story.text, (spot.to, spot.to), &form.replace('X', pick(random, list)?))))
}

const BANDS: [(&[Band], &[&str]); 4] = [
    (&[Band::Low, Band::CriticalLow], &["low", "reduced"]),
    (&[Band::High, Band::CriticalHigh], &["high", "raised", "elevated"]),
    (&[Band::Normal], &["normal"]),
    (&[Band::CriticalLow, Band::CriticalHigh], &["critical", "critically"]),
];

fn band(story: &Story<'_>, random: &mut ChaCha8Rng) -> Option<Lie> {
    let said = find(&story.text, &BANDS.iter().flat_map(|(_, w)| w.to_vec()).collect::<Vec<_>>());
    let at = pick(random, &said)?;
    let (bands, list) = BANDS[random.random_range(0..4)];
    if about(story, at.0).iter().any(|f| bands.contains(&f.band)) {
        return Some(Lie::StillTrue);
    }
    Some(Lie::False(put(&story.text, *at, pick(random, list)?)))
}

fn added_band(story: &Story<'_>, random: &mut ChaCha8Rng) -> Option<Lie> {
    let all = spots(story);
    let spot = pick(random, &all)?;
    let (bands, list) = BANDS[random.random_range(0..4)];
    if about(story, spot.from).iter().any(|f| bands.contains(&f.band)) {
        return Some(Lie::StillTrue);
    }
    let form = *pick(random, &[" and X", " (X)", ", X", " is X", " now X", ": X"])?;
    Some(Lie::False(put(&story.text, (spot.to, spot.to), &form.replace('X', pick(random, list)?))))
}

/// The facts with a value in the text and where their name stands closest before it.
fn named<'a>(story: &Story<'a>) -> Vec<(&'a Fact, (usize, usize))> {
    let lower = story.text.to_lowercase();
    let mut found = Vec::new();
    for spot in spots(story) {
        let [fact] = spot.facts[..] else { continue };
        let (from, _) = clause(&story.text, spot.from);
        let name = names(story, fact.subject).into_iter().filter_map(|n| {
            let n = n.to_lowercase();
            lower[from..spot.from].rfind(&n).map(|i| (from + i, from + i + n.len()))
        });
        if let Some(at) = name.max_by_key(|(a, b)| (*b, b - a)) {
            found.push((fact, at));
        }
    }
    found
}

fn swap(story: &Story<'_>, random: &mut ChaCha8Rng) -> Option<Lie> {
    let all = named(story);
    let (a, b) = (pick(random, &all)?, pick(random, &all)?);
    let ((first, x), (second, y)) = if a.1.0 <= b.1.0 { (a, b) } else { (b, a) };
    if first.subject == second.subject || x.1 > y.0 {
        return None;
    }
    if render::value(first) == render::value(second) && first.at.clock() == second.at.clock() {
        return Some(Lie::StillTrue);
    }
    let text = &story.text;
    let (left, right) = (&text[x.0..x.1], &text[y.0..y.1]);
    let swapped = format!("{}{right}{}{left}{}", &text[..x.0], &text[x.1..y.0], &text[y.1..]);
    // Values that print alike stand for each other; only their times may tell them apart.
    (render::value(first) != render::value(second)).then_some(Lie::False(swapped))
}

fn borrow(story: &Story<'_>, random: &mut ChaCha8Rng) -> Option<Lie> {
    let all = named(story);
    let (fact, _) = pick(random, &all)?;
    let other = pick(random, &story.alert.evidence.facts)?;
    if other.subject == fact.subject {
        return None;
    }
    if is_same(fact, other) {
        return Some(Lie::StillTrue);
    }
    let value = spots(story).into_iter().find(|s| s.facts[0].id == fact.id)?;
    Some(Lie::False(put(&story.text, (value.from, value.to), &render::value(other))))
}

/// Whether one fact's printed value states the other's too.
fn is_same(a: &Fact, b: &Fact) -> bool {
    let step = 0.1_f64.powi(i32::try_from(render::decimals(b.unit, b.value)).unwrap());
    render::unit(a.unit) == render::unit(b.unit) && (a.value - b.value).abs() <= step
}

/// The text with a sentence or clause more, somewhere.
fn add(story: &Story<'_>, random: &mut ChaCha8Rng, clause: &str) -> String {
    let text = story.text.trim_end_matches('.');
    match random.random_range(0..4) {
        0 => format!("{text}; {clause}."),
        1 => format!("{text}. {}.", render::capitalised(clause)),
        2 => format!("{}. {}", render::capitalised(clause), story.text),
        _ => match spots(story).first() {
            Some(spot) => put(&story.text, (spot.to, spot.to), &format!(", {clause}")),
            None => format!("{text}, {clause}."),
        },
    }
}

/// The text with one of these more.
fn add_one<T: AsRef<str>>(story: &Story<'_>, random: &mut ChaCha8Rng, clauses: &[T]) -> Option<String> {
    let clause = pick(random, clauses)?;
    Some(add(story, random, clause.as_ref()))
}

fn dose(story: &Story<'_>, random: &mut ChaCha8Rng) -> Option<Lie> {
    let drugs = [
        "norepinephrine infusion",
        "noradrenaline",
        "vasopressin infusion",
        "insulin infusion",
        "heparin",
        "morphine",
        "propofol",
        "piperacillin",
        "epinephrine",
        "dopamine infusion",
        "oxygen",
        "paracetamol",
    ];
    let units = ["mcg/kg/min", "mg", "units", "mg/h", "mL/h", "U/h", "g", "L/min", "mcg/min"];
    let (drug, unit) = (*pick(random, &drugs)?, *pick(random, &units)?);
    let value = f64::from(random.random_range(1..200)) / 10.0;
    if is_a_value(story, value, unit) {
        return Some(Lie::StillTrue);
    }
    let clause = match random.random_range(0..3) {
        0 => format!("{drug} {value} {unit}"),
        1 => format!("now on {drug} {value} {unit}"),
        _ => format!("{value} {unit} of {drug}"),
    };
    Some(Lie::False(add(story, random, &clause)))
}

fn advice(story: &Story<'_>, random: &mut ChaCha8Rng) -> Option<Lie> {
    let advice = [
        "give fluids",
        "start antibiotics",
        "consider intubation",
        "oxygen is indicated",
        "escalation is warranted",
        "fluid challenge",
        "blood cultures are due",
        "call the intensivist",
        "would benefit from fluids",
        "review lines",
        "vasopressors are needed",
        "the patient should be transferred",
        "recheck lactate",
        "hold insulin",
        "needs review",
        "titrate to mean pressure",
        "do not wait",
        "intubate now",
        "prompt treatment",
        "suggest a lower threshold",
        "please observe",
        "better with oxygen",
        "source control",
        "bolus",
        "repeat in an hour",
        "to be treated as sepsis",
    ];
    Some(Lie::False(add_one(story, random, &advice)?))
}

fn negation(story: &Story<'_>, random: &mut ChaCha8Rng) -> Option<Lie> {
    let word = *pick(
        random,
        &["not", "no", "never", "without", "hardly", "isn't", "non", "denies", "neither", "un-"],
    )?;
    let said = find(&story.text, &TRENDS.iter().flat_map(|(_, w)| w.to_vec()).collect::<Vec<_>>());
    if let Some(at) = pick(random, &said).filter(|_| random.random_bool(0.4)) {
        return Some(Lie::False(put(&story.text, (at.0, at.0), &format!("{word} "))));
    }
    let kind = story.alert.kind.name().replace('_', " ");
    let clauses = [
        format!("{word} {kind}"),
        format!("{word} signs of {kind}"),
        format!("judged {word} {kind}"),
        "findings absent".to_owned(),
        "nothing is high".to_owned(),
        format!("{kind} is ruled out"),
        format!("{kind} unlikely"),
        "no fever".to_owned(),
        "signs of nothing".to_owned(),
    ];
    Some(Lie::False(add_one(story, random, &clauses)?))
}

/// A subject that is neither a fact nor missing, under a name that is no other's.
fn stranger(story: &Story<'_>, random: &mut ChaCha8Rng) -> Option<Subject> {
    let evidence = &story.alert.evidence;
    let known: Vec<Subject> =
        evidence.facts.iter().map(|f| f.subject).chain(evidence.missing.iter().map(|m| m.subject)).collect();
    let called: Vec<String> = known.iter().flat_map(|s| names(story, *s)).map(|n| n.to_lowercase()).collect();
    let others: Vec<Subject> = subjects()
        .filter(|s| {
            !known.contains(s) && !names(story, *s).iter().any(|n| called.contains(&n.to_lowercase()))
        })
        .collect();
    pick(random, &others).copied()
}

fn signal(story: &Story<'_>, random: &mut ChaCha8Rng) -> Option<Lie> {
    let subject = stranger(story, random)?;
    let all = names(story, subject);
    let name = pick(random, &all)?;
    let value = random.random_range(1..200);
    let forms = [
        format!("{name} {value}"),
        format!("{name} {value} mmHg"),
        format!("{name} high"),
        format!("{name} falling"),
        format!("{name} is normal"),
        format!("with {name}"),
        format!("led by {name}"),
    ];
    Some(Lie::False(add_one(story, random, &forms)?))
}

fn missing(story: &Story<'_>, random: &mut ChaCha8Rng) -> Option<Lie> {
    let facts: Vec<Subject> = story.alert.evidence.facts.iter().map(|f| f.subject).collect();
    let subject = if random.random_bool(0.5) { stranger(story, random)? } else { *pick(random, &facts)? };
    if story.alert.evidence.missing.iter().any(|m| m.subject == subject) {
        return Some(Lie::StillTrue);
    }
    let opener = *pick(random, &["Missing:", "Judged without"])?;
    Some(Lie::False(format!("{} {opener} {}.", story.text, label(subject))))
}

fn words(story: &Story<'_>, random: &mut ChaCha8Rng) -> Option<Lie> {
    let said = [
        "one hundred",
        "ninety",
        "twice",
        "double",
        "tenfold",
        "a dozen",
        "half",
        "threefold",
        "zero",
        "a quarter",
        "thirty per cent",
        "several hundred",
    ];
    let word = pick(random, &said)?;
    let all = spots(story);
    match pick(random, &all).filter(|_| random.random_bool(0.6)) {
        Some(spot) => {
            let number = spot.from + render::number(spot.facts[0]).len();
            Some(Lie::False(put(&story.text, (spot.from, number), word)))
        }
        None => Some(Lie::False(add(story, random, &format!("{word} the normal")))),
    }
}

fn digits(story: &Story<'_>, random: &mut ChaCha8Rng) -> Option<Lie> {
    // Arabic-Indic, extended Arabic-Indic, Devanagari, fullwidth, mathematical bold, superscript, circled.
    let zeros = ['\u{660}', '\u{6F0}', '\u{966}', '\u{FF10}', '\u{1D7CE}', '\u{2070}', '\u{245F}'];
    let zero = u32::from(*pick(random, &zeros)?);
    let at: Vec<usize> =
        story.text.char_indices().filter(|(_, c)| c.is_ascii_digit()).map(|(i, _)| i).collect();
    let at = *pick(random, &at)?;
    let digit = u32::from(story.text.as_bytes()[at] - b'0');
    let new = char::from_u32(zero + digit)?;
    Some(Lie::False(put(&story.text, (at, at + 1), &new.to_string())))
}

fn letters(story: &Story<'_>, random: &mut ChaCha8Rng) -> Option<Lie> {
    let alike = [
        ('0', 'O'),
        ('0', 'o'),
        ('1', 'l'),
        ('1', 'I'),
        ('5', 'S'),
        ('8', 'B'),
        ('2', 'Z'),
        ('6', 'b'),
        ('9', 'g'),
    ];
    let (digit, letter) = *pick(random, &alike)?;
    let all = spots(story);
    let spot = pick(random, &all)?;
    let number = render::number(spot.facts[0]);
    let at: Vec<usize> = number.match_indices(digit).map(|(i, _)| spot.from + i).collect();
    let at = *pick(random, &at)?;
    Some(Lie::False(put(&story.text, (at, at + 1), &letter.to_string())))
}

fn homoglyph(story: &Story<'_>, random: &mut ChaCha8Rng) -> Option<Lie> {
    let alike = [
        ('a', 'а'),
        ('e', 'е'),
        ('o', 'о'),
        ('p', 'р'),
        ('c', 'с'),
        ('x', 'х'),
        ('i', 'і'),
        ('s', 'ѕ'),
        ('o', 'ο'),
        ('v', 'ν'),
        ('l', 'ⅼ'),
        ('m', 'ｍ'),
        ('-', '\u{2010}'),
        ('/', '\u{2044}'),
        ('.', '\u{2024}'),
        (':', '\u{2236}'),
        ('%', '\u{FF05}'),
    ];
    let (letter, other) = *pick(random, &alike)?;
    let at: Vec<usize> = story.text.match_indices(letter).map(|(i, _)| i).collect();
    let at = *pick(random, &at)?;
    Some(Lie::False(put(&story.text, (at, at + letter.len_utf8()), &other.to_string())))
}

fn invisible(story: &Story<'_>, random: &mut ChaCha8Rng) -> Option<Lie> {
    let signs = [
        '\u{200B}',
        '\u{200C}',
        '\u{200D}',
        '\u{FEFF}',
        '\u{AD}',
        '\u{202E}',
        '\u{2066}',
        '\u{2060}',
        '\u{0}',
        '\u{8}',
        '\u{1B}',
        '\u{A0}',
        '\u{2009}',
        '\u{301}',
        '\u{E0041}',
        '\t',
        '\n',
        '\u{85}',
        '\u{2028}',
    ];
    let at: Vec<usize> = story.text.char_indices().map(|(i, _)| i).collect();
    let at = *pick(random, &at)?;
    Some(Lie::False(put(&story.text, (at, at), &pick(random, &signs)?.to_string())))
}

fn condition(story: &Story<'_>, random: &mut ChaCha8Rng) -> Option<Lie> {
    let found = [
        (None, "pneumonia"),
        (None, "kidney injury"),
        (None, "septic patient"),
        (None, "cardiac arrest"),
        (None, "tachycardia"),
        (None, "fever"),
        (None, "hypotension"),
        (None, "stroke"),
        (None, "bleeding"),
        (None, "infection"),
        (Some(AlertKind::Sepsis), "sepsis"),
        (Some(AlertKind::Shock), "circulatory shock"),
        (Some(AlertKind::Shock), "shock"),
        (Some(AlertKind::Respiratory), "respiratory failure"),
        (Some(AlertKind::Seizure), "seizure activity"),
        (Some(AlertKind::Hypoglycaemia), "hypoglycaemia"),
        (Some(AlertKind::Deterioration), "clinical deterioration"),
    ];
    let (kind, words) = *pick(random, &found)?;
    if kind == Some(story.alert.kind) {
        return Some(Lie::StillTrue);
    }
    let clause = format!("{}{words}", pick(random, &["signs of ", "possible ", "", "this is "])?);
    Some(Lie::False(add(story, random, &clause)))
}

fn phase(story: &Story<'_>, random: &mut ChaCha8Rng) -> Option<Lie> {
    let said = [
        "alert resolved",
        "findings ended",
        "back to normal",
        "this is an update",
        "recovered",
        "the alert has ended",
        "resolved",
    ];
    Some(Lie::False(add_one(story, random, &said)?))
}

fn urgency(story: &Story<'_>, random: &mut ChaCha8Rng) -> Option<Lie> {
    let said = [
        (Priority::High, "immediate"),
        (Priority::High, "urgent"),
        (Priority::Medium, "prompt"),
        (Priority::Low, "mild"),
    ];
    let (priority, word) = *pick(random, &said)?;
    if priority == story.alert.priority {
        return Some(Lie::StillTrue);
    }
    Some(Lie::False(add(story, random, &format!("{word} concern"))))
}

fn stretched(story: &Story<'_>, random: &mut ChaCha8Rng) -> Option<Lie> {
    let all = spots(story);
    let spot = pick(random, &all)?;
    let clock = spot.facts[0].at.clock();
    Some(Lie::False(match random.random_range(0..5) {
        0 => put(&story.text, (spot.from, spot.from), "by "),
        1 => put(&story.text, (spot.from, spot.from), "over "),
        2 => put(&story.text, (spot.from, spot.from), "from "),
        3 => put(&story.text, (spot.to, spot.to), &format!(" since {clock}")),
        _ => put(&story.text, (spot.to, spot.to), &format!(" for {} h", random.random_range(2..48))),
    }))
}

fn limit(story: &Story<'_>, random: &mut ChaCha8Rng) -> Option<Lie> {
    let all = spots(story);
    let spot = pick(random, &all)?;
    let number = spot.from + render::number(spot.facts[0]).len();
    let other = random.random_range(1..200);
    Some(Lie::False(match random.random_range(0..6) {
        0 => put(&story.text, (spot.from, spot.from), "below "),
        1 => put(&story.text, (spot.from, spot.from), ">"),
        2 => put(&story.text, (number, number), &format!("-{other}")),
        3 => put(&story.text, (number, number), &format!("/{other}")),
        4 => put(&story.text, (number, number), "e2"),
        _ => put(&story.text, (number, number), &format!(" to {other}")),
    }))
}

fn feed(story: &Story<'_>, random: &mut ChaCha8Rng) -> Option<Lie> {
    let feeds =
        ["EEG feed", "ECG waveform feed", "vitals feed", "sensor glucose feed", "arterial waveform feed"];
    let name = pick(random, &feeds)?;
    let said = [
        format!("{name} silent"),
        format!("{name} delivers nothing usable"),
        format!("{name} is back"),
        format!("{name} silent since 03:10"),
    ];
    Some(Lie::False(add_one(story, random, &said)?))
}

fn flood(story: &Story<'_>, random: &mut ChaCha8Rng) -> Option<Lie> {
    let more = random.random_range(61..200);
    Some(Lie::False(format!("{} {}.", story.text, "findings ".repeat(more).trim_end())))
}
