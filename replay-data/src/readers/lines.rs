//! Lines of a text file, one at a time and bounded: a file without line ends cannot fill the memory.

use std::io::{self, BufRead};

/// The longest line of a table (PSV, CSV), in bytes.
pub const MAX_TABLE_LINE: usize = 64 << 10;

/// One line without its end.
pub struct Line {
    /// Counted from 1.
    pub number: u64,
    /// The offset of its first byte.
    pub start: u64,
    /// Its bytes; `None` when it is longer than the limit.
    pub bytes: Option<Vec<u8>>,
}

impl Line {
    /// The line as text: UTF-8, else byte for byte as Latin-1. `None` when it is too long.
    pub fn text(&self) -> Option<String> {
        self.bytes.as_deref().map(latin)
    }
}

/// Bytes as text: UTF-8, else Latin-1.
pub fn latin(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|&b| char::from(b)).collect(),
    }
}

/// Reads lines ended by LF or CRLF; a BOM before the first is dropped.
pub struct Lines<R> {
    input: R,
    limit: usize,
    number: u64,
    at: u64,
}

impl<R: BufRead> Lines<R> {
    /// Lines of at most `limit` bytes.
    pub fn new(input: R, limit: usize) -> Self {
        Self { input, limit, number: 0, at: 0 }
    }

    fn read(&mut self) -> io::Result<Option<Line>> {
        let start = self.at;
        let mut bytes = Vec::new();
        let mut too_long = false;
        loop {
            let chunk = self.input.fill_buf()?;
            if chunk.is_empty() {
                break;
            }
            let end = chunk.iter().position(|&b| b == b'\n');
            let taken = end.map_or(chunk.len(), |i| i + 1);
            if bytes.len() + taken <= self.limit {
                bytes.extend_from_slice(&chunk[..taken]);
            } else {
                too_long = true;
            }
            self.input.consume(taken);
            self.at += taken as u64;
            if end.is_some() {
                break;
            }
        }
        if self.at == start {
            return Ok(None);
        }
        while bytes.last().is_some_and(|b| matches!(b, b'\n' | b'\r')) {
            bytes.pop();
        }
        if self.number == 0 && bytes.starts_with(b"\xEF\xBB\xBF") {
            bytes.drain(..3);
        }
        self.number += 1;
        Ok(Some(Line { number: self.number, start, bytes: (!too_long).then_some(bytes) }))
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = io::Result<Line>;
    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// The fields of one CSV line (RFC 4180 without line breaks inside quotes), trimmed.
pub fn csv_fields(line: &str) -> Vec<String> {
    fields(line, ',')
}

/// The fields of a line of a table whose fields are parted by another character.
pub fn fields(line: &str, delimiter: char) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let field = fields.last_mut().expect("there is always a last field");
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                field.push('"');
                chars.next();
            }
            '"' => quoted = !quoted,
            c if c == delimiter && !quoted => fields.push(String::new()),
            c => field.push(c),
        }
    }
    fields.iter().map(|f| f.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_located_and_bounded() {
        let input = b"\xEF\xBB\xBFone\r\n\ntoolong\nend";
        let lines: Vec<_> = Lines::new(&input[..], 7).map(Result::unwrap).collect();
        let got: Vec<_> = lines.iter().map(|l| (l.number, l.start, l.text())).collect();
        // The limit counts the line end, so "toolong\n" is one byte over it; "\xEF\xBB\xBFone\r\n" too.
        let want = [(1, 0, None), (2, 8, Some("")), (3, 9, None), (4, 17, Some("end"))];
        assert_eq!(got.len(), want.len());
        for (g, w) in got.iter().zip(want) {
            assert_eq!((g.0, g.1, g.2.as_deref()), w);
        }
        let first = Lines::new(&input[..], 20).next().unwrap().unwrap();
        assert_eq!(first.text().as_deref(), Some("one"));
    }

    #[test]
    fn csv_quotes() {
        let cases: [(&str, &[&str]); 4] = [
            ("a,b ,c", &["a", "b", "c"]),
            ("\"a,b\",\"say \"\"x\"\"\"", &["a,b", "say \"x\""]),
            ("", &[""]),
            ("\"open,x", &["open,x"]),
        ];
        for (line, want) in cases {
            assert_eq!(csv_fields(line), want, "{line}");
        }
    }
}
