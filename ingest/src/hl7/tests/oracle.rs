//! `hl7-parser` as the oracle: on messages that it reads correctly, every field, repetition, component
//! and subcomponent of ours is the same stretch of bytes.

use hl7_parser::Message;

use super::{HEAD, shared::files};
use crate::hl7::lexer::{Delimiters, Piece, segments};

/// Compares all fields; returns how many leaves were equal.
fn compare(text: &str) -> usize {
    let theirs = Message::parse(text).expect("a message the oracle reads");
    let marks = Delimiters::declared(text.as_bytes()).unwrap();
    let ours = segments(text.as_bytes());
    assert_eq!(theirs.segments().count(), ours.len());
    let mut leaves = 0;
    for (index, (their, our)) in theirs.segments().zip(&ours).enumerate() {
        let line = our.line(text.as_bytes());
        assert_eq!(their.name.as_bytes(), our.id().unwrap());
        // MSH-1 and MSH-2 are the delimiters themselves: the first field cut is MSH-3. The oracle counts
        // so in the first segment only.
        let (first, skip) = if index == 0 { (3, 2) } else { (1, 1) };
        for (n, field) in line.split(marks.field).skip(skip).enumerate() {
            let Some(their_field) = their.field(n + first) else {
                assert!(field.is_empty());
                continue;
            };
            leaves += compare_field(field, their_field, &marks);
        }
    }
    leaves
}

fn compare_field(field: Piece<'_>, theirs: &hl7_parser::message::Field<'_>, marks: &Delimiters) -> usize {
    same(field, theirs.raw_value(), theirs.range.start);
    if field.is_empty() {
        return 1;
    }
    let mut leaves = 0;
    let repeats: Vec<_> = theirs.repeats().collect();
    assert_eq!(field.split(marks.repetition).count(), repeats.len());
    for (our, their) in field.split(marks.repetition).zip(repeats) {
        if our.is_empty() {
            continue;
        }
        for (our, their) in our.split(marks.component).zip(their.components()) {
            same(our, their.raw_value(), their.range.start);
            for (our, their) in our.split(marks.subcomponent).zip(their.subcomponents()) {
                same(our, their.raw_value(), their.range.start);
                leaves += 1;
            }
        }
    }
    leaves
}

fn same(our: Piece<'_>, theirs: &str, start: usize) {
    assert_eq!(our.bytes, theirs.as_bytes());
    assert!(our.is_empty() || our.at == start, "{} != {start}", our.at);
}

#[test]
fn fields_are_the_oracles() {
    let text = format!("{HEAD}OBX|1|NM|a&b^c~d^^e&&f||1|u^v|||||F|||20260301\rNTE|1||x\\T\\y");
    assert!(compare(&text) > 40);
}

#[test]
fn shared_messages_are_read_as_the_oracle_reads_them() {
    let Some(files) = files("shared_messages_are_read_as_the_oracle_reads_them") else { return };
    let (mut compared, mut leaves, mut lost) = (0, 0, 0);
    for file in &files {
        let Ok(text) = String::from_utf8(std::fs::read(file).unwrap()) else { continue };
        // The oracle takes CR alone, one message, no blank lines: give it that.
        let lines: Vec<&str> = text
            .trim_start_matches('\u{feff}')
            .split(['\r', '\n'])
            .map(str::trim)
            .filter(|l| !l.is_empty())
            .collect();
        let text = lines.join("\r");
        let Ok(message) = Message::parse(&text) else { continue };
        // A fifth mark (the truncation mark of v2.7) shifts the oracle's MSH by one field.
        let four_marks = text.as_bytes().get(8) == text.as_bytes().get(3);
        if Delimiters::declared(text.as_bytes()).is_none() || !four_marks {
            continue;
        }
        if message.segments().count() != lines.len() {
            lost += 1;
            continue;
        }
        leaves += compare(&text);
        compared += 1;
    }
    println!(
        "{compared} of {} messages equal in {leaves} leaves; {lost} cut short by the oracle",
        files.len()
    );
    assert!(compared > 100, "{compared}");
}
