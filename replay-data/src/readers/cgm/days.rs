//! Local times whose day and month stand in the order of the writer's country (`13-07-2026 08:32`,
//! `07/13/2026 8:32 AM`): LibreView writes them as the account's settings say, and not which they are.

use bedwatch_schemas::time::EventTime;

use crate::readers::stamps;

/// What comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    is_day_first: bool,
    /// Nothing in the file says so.
    pub is_guess: bool,
}

impl Order {
    /// The time that a text means; `None` where it is none of that kind.
    pub fn time(self, text: &str) -> Option<EventTime> {
        Parts::of(text)?.time(self.is_day_first)
    }
}

/// What a text holds.
struct Parts {
    first: u32,
    second: u32,
    year: u32,
    clock: ((u32, u32, u32), u32),
}

impl Parts {
    fn of(text: &str) -> Option<Self> {
        let (date, clock) = text.trim().split_once(' ')?;
        let mut parts = date.split(['-', '/', '.']).map(|p| {
            let is_number = (1..=4).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_digit());
            is_number.then(|| p.parse::<u32>().ok()).flatten()
        });
        let (first, second, year) = (parts.next()??, parts.next()??, parts.next()??);
        if parts.next().is_some() || year < 1_000 {
            return None;
        }
        Some(Self { first, second, year, clock: clock_of(clock.trim())? })
    }

    fn time(&self, is_day_first: bool) -> Option<EventTime> {
        let (day, month) = if is_day_first { (self.first, self.second) } else { (self.second, self.first) };
        stamps::utc((self.year as i32, month, day), self.clock.0, self.clock.1)
    }
}

/// `H:MM[:SS]`, of 24 hours or of twice twelve with `AM` or `PM`.
fn clock_of(text: &str) -> Option<((u32, u32, u32), u32)> {
    let upper = text.to_ascii_uppercase();
    let (half, digits) = match (upper.strip_suffix("AM"), upper.strip_suffix("PM")) {
        (Some(rest), _) => (Some(0), rest.trim_end()),
        (_, Some(rest)) => (Some(12), rest.trim_end()),
        _ => (None, upper.as_str()),
    };
    let ((hour, minute, second), micros) = stamps::clock(digits)?;
    match half {
        None => Some(((hour, minute, second), micros)),
        Some(half) if (1..=12).contains(&hour) => Some(((hour % 12 + half, minute, second), micros)),
        Some(_) => None,
    }
}

/// The times of a file under both orders.
#[derive(Default)]
pub struct Seen {
    /// By whether the day comes first: the earliest and the latest, and those that are no time.
    spans: [Option<(EventTime, EventTime)>; 2],
    impossible: [u64; 2],
    count: u64,
}

impl Seen {
    /// Takes the time of a row.
    pub fn push(&mut self, text: &str) {
        let Some(parts) = Parts::of(text) else { return };
        self.count += 1;
        for (i, is_day_first) in [true, false].into_iter().enumerate() {
            match parts.time(is_day_first) {
                None => self.impossible[i] += 1,
                Some(at) => {
                    let (first, last) = self.spans[i].unwrap_or((at, at));
                    self.spans[i] = Some((first.min(at), last.max(at)));
                }
            }
        }
    }

    /// The order under which the fewest times are none; where that is the same, the one under which the
    /// readings lie closest together: the wrong one throws neighbouring days months apart.
    pub fn order(&self) -> Option<Order> {
        if self.count == 0 {
            return None;
        }
        let span = |i: usize| self.spans[i].map(|(first, last)| last.since(first));
        let (day_first, month_first) = ((self.impossible[0], span(0)), (self.impossible[1], span(1)));
        Some(Order {
            is_day_first: day_first <= month_first,
            is_guess: day_first == month_first && !self.is_same(),
        })
    }

    /// Whether both orders mean the same (day and month are one number throughout).
    fn is_same(&self) -> bool {
        self.spans[0] == self.spans[1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_both_orders() {
        let order = |is_day_first| Order { is_day_first, is_guess: false };
        let cases = [
            (true, "13-07-2026 08:32", Some("2026-07-13T08:32:00Z")),
            (false, "07/13/2026 8:32 AM", Some("2026-07-13T08:32:00Z")),
            (false, "7.13.2026 12:05 am", Some("2026-07-13T00:05:00Z")),
            (true, "01/02/2026 12:05:09PM", Some("2026-02-01T12:05:09Z")),
            (true, "01/02/2026 13:05 PM", None),
            (true, "01/02/2026 0:05 AM", None),
            (true, "07-13-2026 08:32", None),
            (true, "2026-07-13 08:32", None),
            (true, "1-2-26 08:32", None),
            (true, "1-2-2026", None),
            (true, "+1-2-2026 08:32", None),
            (true, "", None),
        ];
        for (is_day_first, text, want) in cases {
            assert_eq!(order(is_day_first).time(text).map(|t| t.to_string()).as_deref(), want, "{text}");
        }
    }

    /// Whether the day comes first, and whether that is a guess.
    type Told = Option<(bool, bool)>;

    #[test]
    fn the_file_says_what_comes_first() {
        let cases: [(&[&str], Told); 8] = [
            (&[], None),
            (&["2026-07-13 08:32", "text"], None),
            (&["05-07-2026 08:00", "13-07-2026 08:00"], Some((true, false))),
            (&["07-05-2026 08:00", "07-13-2026 08:00"], Some((false, false))),
            // Neighbouring days lie together under one order alone.
            (&["01-02-2026 08:00", "02-02-2026 08:00", "03-02-2026 08:00"], Some((true, false))),
            (&["02-01-2026 08:00", "02-02-2026 08:00", "02-03-2026 08:00"], Some((false, false))),
            // One day: nothing says so, unless both are the same.
            (&["01-02-2026 08:00", "01-02-2026 09:00"], Some((true, true))),
            (&["02-02-2026 08:00"], Some((true, false))),
        ];
        for (texts, want) in cases {
            let mut seen = Seen::default();
            texts.iter().for_each(|text| seen.push(text));
            assert_eq!(seen.order().map(|o| (o.is_day_first, o.is_guess)), want, "{texts:?}");
        }
    }

    proptest::proptest! {
        /// No text makes a parser panic.
        #[test]
        fn any_text(text in "\\PC{0,24}") {
            let mut seen = Seen::default();
            seen.push(&text);
            if let Some(order) = seen.order() {
                let _ = order.time(&text);
            }
        }
    }
}
