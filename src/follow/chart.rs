//! The trend as a picture: percent of each lung over the dates, a panel for each network.
//!
//! It carries its own colours, for paper and for programs that open SVG. Every part has a class, so
//! that a page can give it others: style sheets go before attributes.

use super::{DISCLAIMER_SHORT, FollowUp, LUNGS, Lung, Part, Row};
use crate::weights::Network;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// As wide as a phone, where its letters are then as large as those around it.
const WIDTH: f64 = 400.0;
/// Height of a network's panel.
const PANEL: f64 = 190.0;
/// Around the plot of a panel: left, top, right, bottom.
const MARGINS: [f64; 4] = [44.0, 44.0, 30.0, 26.0];
/// Below the panels, for the notice.
const FOOT: f64 = 18.0;
/// Width that a date takes below the axis.
const DATE: f64 = 64.0;
/// The axis ends at the first of these that no value is above: half of each is plain, too.
const ENDS: [f64; 16] = [
    0.2, 0.4, 1.0, 2.0, 4.0, 6.0, 8.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 80.0, 90.0, 100.0,
];

/// The words of the picture, in the reader's language.
#[derive(Debug, Clone, Deserialize)]
pub struct ChartTexts {
    /// What the picture is.
    pub title: String,
    /// What it shows, for those who do not see it.
    pub description: String,
    /// What goes up: percent of what.
    pub axis: String,
    /// Both lungs, the right, the left.
    pub lungs: [String; 3],
    /// Between whole and part of a number.
    pub decimal: String,
    /// What it is not for.
    pub notice: String,
}

impl ChartTexts {
    /// In English.
    pub fn english(of: &FollowUp) -> Self {
        Self {
            title: "Lung marked by the networks, over time".into(),
            description: of.sentences().join(". "),
            axis: "% of lung".into(),
            lungs: ["both lungs", "right lung", "left lung"].map(String::from),
            decimal: ".".into(),
            notice: DISCLAIMER_SHORT.into(),
        }
    }
}

/// How a lung's line looks: told apart without colours, too.
struct Style {
    class: &'static str,
    /// Seen on white by people of any colour vision (Okabe and Ito 2008).
    colour: &'static str,
    dashes: &'static str,
    /// The outline of a mark about the origin.
    mark: &'static str,
}

fn style(lung: Lung) -> Style {
    match lung {
        Lung::Both => Style {
            class: "both",
            colour: "#333",
            dashes: "none",
            mark: "M-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0Z",
        },
        Lung::Right => Style {
            class: "right",
            colour: "#0072b2",
            dashes: "7 3",
            mark: "M-3.3 -3.3H3.3V3.3H-3.3Z",
        },
        Lung::Left => Style {
            class: "left",
            colour: "#b34700",
            dashes: "2 3",
            mark: "M0 -4.4L4.2 3.2H-4.2Z",
        },
    }
}

impl FollowUp {
    /// The trend as SVG.
    pub fn svg(&self, texts: &ChartTexts) -> String {
        let networks = self.networks();
        let height = PANEL * networks.len() as f64 + FOOT;
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             role=\"img\" font-family=\"sans-serif\" font-size=\"11\" class=\"trend\">\n\
             <title>{}</title>\n<desc>{}</desc>\n\
             <rect class=\"paper\" width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n",
            escaped(&texts.title),
            escaped(&texts.description)
        );
        let end = self.end();
        for (at, network) in networks.into_iter().enumerate() {
            let panel = Panel {
                of: self,
                network,
                top: PANEL * at as f64,
                end,
            };
            panel.draw(&mut out, texts);
        }
        put(
            &mut out,
            &text(
                "notice",
                [WIDTH / 2.0, height - 6.0],
                "middle",
                &texts.notice,
            ),
        );
        out.push_str("</svg>\n");
        out
    }

    /// Where the axis of percent ends, the same for all networks.
    fn end(&self) -> f64 {
        let whole = self.rows.iter().filter(|row| row.part == Part::Whole);
        let percents = whole.flat_map(|row| row.values.iter().filter_map(|v| v.percent));
        let most = percents.fold(0.0, f64::max);
        ENDS.into_iter().find(|end| most <= *end).unwrap_or(100.0)
    }
}

/// A network's part of the picture.
struct Panel<'a> {
    of: &'a FollowUp,
    network: Network,
    top: f64,
    end: f64,
}

impl Panel<'_> {
    fn draw(&self, out: &mut String, texts: &ChartTexts) {
        let [left, above, right, _] = MARGINS;
        let head = self.top + 16.0;
        put(
            out,
            &text("name", [6.0, head], "start", self.network.name()),
        );
        put(
            out,
            &text("axis", [6.0, self.top + above - 10.0], "start", &texts.axis),
        );
        for half in [0.0, 0.5, 1.0] {
            let percent = self.end * half;
            let y = self.y(percent);
            put(
                out,
                &format!(
                    "<path class=\"grid\" d=\"M{left} {y:.1}H{:.1}\" stroke=\"#ddd\"/>",
                    WIDTH - right
                ),
            );
            let said = plain(percent, &texts.decimal);
            put(out, &text("tick", [left - 6.0, y + 4.0], "end", &said));
        }
        self.dates(out);
        self.legend(out, texts, head);
        for lung in LUNGS {
            if let Some(row) = self.of.row(self.network, lung, Part::Whole) {
                self.line(out, row);
            }
        }
    }

    /// The dates that find room below the axis; the first and the last always.
    fn dates(&self, out: &mut String) {
        let y = self.y(0.0) + 16.0;
        let scans = &self.of.scans;
        // Two scans of one day share its place.
        let places: BTreeMap<i64, String> = scans
            .iter()
            .map(|scan| (scan.days_from_first, scan.date.to_string()))
            .collect();
        let last = places.keys().next_back().map_or(0.0, |&day| self.x(day));
        let mut taken = f64::NEG_INFINITY;
        for (&day, date) in &places {
            let x = self.x(day);
            put(
                out,
                &format!(
                    "<path class=\"grid\" d=\"M{x:.1} {:.1}v4\" stroke=\"#888\"/>",
                    self.y(0.0)
                ),
            );
            let crowds = x < taken + DATE || (x < last && x + DATE > last);
            if crowds && x < last {
                continue;
            }
            taken = x;
            put(out, &text("tick", [x, y], "middle", date));
        }
    }

    fn legend(&self, out: &mut String, texts: &ChartTexts, y: f64) {
        /// Width of an entry.
        const ENTRY: f64 = 112.0;
        let left = WIDTH - ENTRY * LUNGS.len() as f64;
        for (at, (lung, name)) in LUNGS.into_iter().zip(&texts.lungs).enumerate() {
            let (x, style) = (left + ENTRY * at as f64, style(lung));
            put(out, &stroke(&style, &format!("M{x} {:.1}h22", y - 4.0)));
            put(out, &mark(&style, x + 11.0, y - 4.0));
            put(out, &text("legend", [x + 27.0, y], "start", name));
        }
    }

    /// Broken where the network did not run.
    fn line(&self, out: &mut String, row: &Row) {
        let style = style(row.lung);
        let (mut path, mut marks, mut on) = (String::new(), Vec::new(), false);
        for (scan, value) in self.of.scans.iter().zip(&row.values) {
            let Some(percent) = value.percent else {
                on = false;
                continue;
            };
            let (x, y) = (self.x(scan.days_from_first), self.y(percent));
            // Writing to a text cannot fail.
            let _ = write!(path, "{}{x:.1} {y:.1}", if on { "L" } else { "M" });
            marks.push(mark(&style, x, y));
            on = true;
        }
        if !path.is_empty() {
            put(out, &stroke(&style, &path));
        }
        for mark in marks {
            put(out, &mark);
        }
    }

    fn x(&self, day: i64) -> f64 {
        let [left, _, right, _] = MARGINS;
        // Room for the date below the first and the last mark.
        let (from, to) = (left + DATE / 3.0, WIDTH - right - DATE / 6.0);
        let days = self.of.scans.last().map_or(0, |s| s.days_from_first);
        if days == 0 {
            return (from + to) / 2.0;
        }
        from + (to - from) * day as f64 / days as f64
    }

    fn y(&self, percent: f64) -> f64 {
        let [_, above, _, below] = MARGINS;
        self.top + PANEL - below - (PANEL - above - below) * percent / self.end
    }
}

fn put(out: &mut String, element: &str) {
    out.push_str(element);
    out.push('\n');
}

fn stroke(style: &Style, path: &str) -> String {
    format!(
        "<path class=\"line {}\" d=\"{path}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\" \
         stroke-dasharray=\"{}\"/>",
        style.class, style.colour, style.dashes
    )
}

fn mark(style: &Style, x: f64, y: f64) -> String {
    format!(
        "<path class=\"mark {}\" transform=\"translate({x:.1} {y:.1})\" d=\"{}\" fill=\"{}\"/>",
        style.class, style.mark, style.colour
    )
}

fn text(class: &str, [x, y]: [f64; 2], anchor: &str, said: &str) -> String {
    format!(
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" \
         fill=\"#333\">{}</text>",
        escaped(said)
    )
}

/// A number of the axis without digits that say nothing.
fn plain(value: f64, decimal: &str) -> String {
    // To a hundredth: half of the least end is a tenth.
    let rounded = (value * 100.0).round() / 100.0;
    rounded.to_string().replace('.', decimal)
}

/// A text inside XML.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // XML has no other control characters.
            c if c.is_control() && !matches!(c, '\n' | '\t') => {}
            c => out.push(c),
        }
    }
    out
}
