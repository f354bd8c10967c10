//! Days of the calendar: as DICOM and reports write them, and as file names hold them.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// No chest was scanned by CT before; what stands for an unknown date, such as 1900-01-01, is none.
const FIRST_YEAR: i32 = 1971;
/// Beyond this a number is no year.
const LAST_YEAR: i32 = 2199;
/// Days in 400 years of the Gregorian calendar.
const ERA_DAYS: i64 = 146_097;

/// A day on which a scan can have been made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: i32,
    month: u8,
    day: u8,
}

impl Date {
    /// A day of the calendar; nothing where there is none, or nobody had a CT then.
    pub fn new(year: i32, month: u8, day: u8) -> Option<Self> {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        let fits = (FIRST_YEAR..=LAST_YEAR).contains(&year) && (1..=days).contains(&day);
        fits.then_some(Self { year, month, day })
    }

    /// Reads `YYYY-MM-DD`, as reports and the command line have it.
    pub fn iso(text: &str) -> Option<Self> {
        match text.as_bytes() {
            [y @ .., b'-', m1, m2, b'-', d1, d2] if y.len() == 4 => {
                Self::digits(&[y, &[*m1, *m2, *d1, *d2]].concat())
            }
            _ => None,
        }
    }

    /// Reads DICOM's DA (`YYYYMMDD`, or `YYYY.MM.DD` of old files), or the day in a DT (PS3.5
    /// section 6.2).
    pub fn dicom(text: &str) -> Option<Self> {
        let text = text.trim();
        match text.as_bytes() {
            [y1, y2, y3, y4, b'.', m1, m2, b'.', d1, d2] => {
                Self::digits(&[*y1, *y2, *y3, *y4, *m1, *m2, *d1, *d2])
            }
            bytes => Self::digits(bytes.get(..8)?),
        }
    }

    /// The day that a file name holds plainly: year first, as `2026-01-31`, `2026_01_31` or
    /// `20260131`, and no other day beside it. What order other writings mean is not known.
    pub fn in_name(name: &str) -> Option<Self> {
        let bytes = name.as_bytes();
        let mut found = None;
        let mut at = 0;
        while at < bytes.len() {
            let run = bytes[at..]
                .iter()
                .take_while(|b| b.is_ascii_digit())
                .count();
            let Some((date, length)) = Self::at(&bytes[at..], run) else {
                at += run.max(1);
                continue;
            };
            if found.is_some_and(|before| before != date) {
                return None;
            }
            found = Some(date);
            at += length;
        }
        found
    }

    /// A day at the beginning of `bytes`, which begin with so many digits; and its length.
    fn at(bytes: &[u8], digits: usize) -> Option<(Self, usize)> {
        if digits == 8 {
            return Some((Self::digits(bytes.get(..8)?)?, 8));
        }
        let written = bytes.get(..10)?;
        let mark = written[4];
        let followed = bytes.get(10).is_some_and(u8::is_ascii_digit);
        if digits != 4 || followed || !matches!(mark, b'-' | b'_') || written[7] != mark {
            return None;
        }
        let date = [&written[..4], &written[5..7], &written[8..]].concat();
        Some((Self::digits(&date)?, 10))
    }

    /// From eight digits.
    fn digits(digits: &[u8]) -> Option<Self> {
        if digits.len() != 8 || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let number = |part: &[u8]| part.iter().fold(0, |n, d| 10 * n + i32::from(d - b'0'));
        let [year, month, day] = [&digits[..4], &digits[4..6], &digits[6..]].map(number);
        Self::new(year, u8::try_from(month).ok()?, u8::try_from(day).ok()?)
    }

    /// Days from `earlier` to this one; negative where that is later.
    pub fn days_since(self, earlier: Self) -> i64 {
        self.number() - earlier.number()
    }

    /// The days counted through, from some day on: years begin in March, so that a leap day is
    /// the last of its year.
    fn number(self) -> i64 {
        let (year, month) = (i64::from(self.year), i64::from(self.month));
        let year = if month <= 2 { year - 1 } else { year };
        let of_era = year.rem_euclid(400);
        let of_year = (153 * ((month + 9) % 12) + 2) / 5 + i64::from(self.day) - 1;
        year.div_euclid(400) * ERA_DAYS + 365 * of_era + of_era / 4 - of_era / 100 + of_year
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || serde::de::Error::custom(format!("{text:?} is no date as YYYY-MM-DD"));
        Self::iso(&text).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn date(year: i32, month: u8, day: u8) -> Option<Date> {
        Some(Date::new(year, month, day).unwrap())
    }

    #[test]
    fn only_days_of_the_calendar_are_days() {
        assert_eq!(Date::iso("2024-02-29"), date(2024, 2, 29));
        for text in [
            "2023-02-29",
            "2100-02-29",
            "2026-13-01",
            "2026-00-10",
            "2026-04-31",
            "1900-01-01",
            "2026-1-1",
            "20260101",
            "2026-01-01T",
            "２０２６-01-01",
            "",
        ] {
            assert_eq!(Date::iso(text), None, "{text}");
        }
        assert_eq!(Date::dicom("20260131"), date(2026, 1, 31));
        assert_eq!(Date::dicom("20260131143000.5"), date(2026, 1, 31));
        assert_eq!(Date::dicom(" 2026.01.31 "), date(2026, 1, 31));
        for text in ["", "2026", "00000000", "19000101", "2026-01-31"] {
            assert_eq!(Date::dicom(text), None, "{text}");
        }
    }

    #[test]
    fn a_name_holds_a_day_if_there_is_no_doubt() {
        for name in [
            "ct_2026-01-31_report.json",
            "20260131",
            "a/2026_01_31.nii.gz",
            "p7-20260131-20260131",
        ] {
            assert_eq!(Date::in_name(name), date(2026, 1, 31), "{name}");
        }
        for name in [
            "ct_31-01-2026",
            "01.31.2026",
            "120260131",
            "202601315",
            "2026-01-31_2026-02-01",
            "2026-01_31",
            "2026-01-311",
            "12345678",
            "case001",
            "2026-01",
        ] {
            assert_eq!(Date::in_name(name), None, "{name}");
        }
    }

    #[test]
    fn days_are_counted_over_months_and_leap_years() {
        let days = |a: &str, b: &str| Date::iso(b).unwrap().days_since(Date::iso(a).unwrap());
        assert_eq!(days("2026-01-11", "2026-02-01"), 21);
        assert_eq!(days("2024-02-28", "2024-03-01"), 2);
        assert_eq!(days("2023-02-28", "2023-03-01"), 1);
        assert_eq!(days("2000-01-01", "2026-11-26"), 9826);
        assert_eq!(days("2026-02-01", "2026-01-11"), -21);
        assert!(Date::iso("2025-12-31") < Date::iso("2026-01-01"));
    }

    #[test]
    fn json_has_it_as_text() {
        let day = Date::iso("2026-01-31").unwrap();
        let json = serde_json::to_string(&day).unwrap();
        assert_eq!(json, "\"2026-01-31\"");
        assert_eq!(serde_json::from_str::<Date>(&json).unwrap(), day);
        let error = serde_json::from_str::<Date>("\"31.1.2026\"").unwrap_err();
        assert!(error.to_string().contains("YYYY-MM-DD"));
    }
}
