//! Slices against their truth: the papers' toolbox (SPEC C.2), and the plain protocol.

use super::super::segment::write;
use super::super::session::Session;
use super::{EvaluateArgs, Pair, Protocol, curve};
use crate::infnet::classes;
use crate::io::{self, Limits};
use crate::metrics::toolbox::{self, ImageMeasures, Summary};
use crate::metrics::{Confusion, Scores};
use crate::plane::Plane;
use serde_json::{Value, json};
use std::error::Error;
use std::fs;

fn picture(name: &str, bytes: &[u8]) -> Result<Plane<u8>, Box<dyn Error>> {
    let image = io::image::read(name, bytes, &Limits::default())?;
    let size = [image.width() as usize, image.height() as usize];
    Ok(Plane::new(image.into_raw(), size)?)
}

/// One kind of lesion on all slices.
#[derive(Default)]
struct Tally {
    paper: Vec<ImageMeasures>,
    /// The same, of the slices whose truth has this lesion.
    present: Vec<ImageMeasures>,
    plain: Vec<Scores>,
    cases: Vec<Value>,
}

impl Tally {
    /// Measures a map of 0…255 against a truth of 0 and 1.
    fn add(
        &mut self,
        case: &str,
        map: &Plane<u8>,
        truth: &Plane<u8>,
    ) -> Result<(), Box<dyn Error>> {
        let predicted = map.map(|v| u8::from(v >= 128));
        let scores = Scores::new(&Confusion::of(predicted.data(), truth.data())?, None);
        let stretched = toolbox::to_map(&map.map(f32::from));
        let measured = toolbox::measure(&stretched, &truth.map(|v| v * 255));
        let mean = measured.dice.iter().sum::<f64>() / measured.dice.len().max(1) as f64;
        self.cases.push(json!({
            "case": case,
            "dice": scores.dsc,
            "sensitivity": scores.sen,
            "precision": scores.psc,
            "specificity": scores.spc,
            "toolbox_dice": mean,
        }));
        if truth.data().iter().any(|&v| v != 0) {
            self.present.push(measured.clone());
        }
        self.paper.push(measured);
        self.plain.push(scores);
        Ok(())
    }

    fn print(&self, title: &str, protocol: Protocol) {
        let count = self.plain.len();
        if protocol != Protocol::Paper
            && let Some(m) = Scores::mean(&self.plain)
        {
            let shown = |v: Option<f64>| v.map_or("-".into(), |v| format!("{v:.4}"));
            println!(
                "{title}, {count} slices, at 0.5: Dice {:.4}  sensitivity {}  precision {}  \
                 specificity {}",
                m.dsc,
                shown(m.sen),
                shown(m.psc),
                shown(m.spc)
            );
        }
        let mut paper = vec![("", &self.paper)];
        if self.present.len() != count {
            paper.push((" that have it", &self.present));
        }
        for (which, measures) in paper {
            if protocol != Protocol::Plain
                && let Some(s) = Summary::of(measures)
            {
                println!(
                    "{title}, {} slices{which}, toolbox: Dice {:.4}  max Dice {:.4}  Sen {:.4}  \
                     Spec {:.4}  S {:.4}  E {:.4}  MAE {:.4}",
                    s.images,
                    s.mean_dice,
                    s.max_dice,
                    s.mean_sen,
                    s.mean_spec,
                    s.s,
                    s.mean_e,
                    s.mae
                );
            }
        }
    }

    fn json(&self) -> Value {
        json!({
            "plain": Scores::mean(&self.plain),
            "toolbox": Summary::of(&self.paper),
            "toolbox_where_present": Summary::of(&self.present),
            "cases": self.cases,
        })
    }
}

/// Infection, and with `--classes` ground glass and consolidation, on every slice.
pub fn evaluate(
    session: &Session,
    args: &EvaluateArgs,
    pairs: &[Pair],
) -> Result<Value, Box<dyn Error>> {
    let titles = ["infection", "ground glass", "consolidation"];
    let mut tallies = [Tally::default(), Tally::default(), Tally::default()];
    for pair in pairs {
        let name = pair.truth.to_string_lossy();
        let bytes = fs::read(&pair.truth).map_err(|e| format!("{name}: {e}"))?;
        let truth = picture(&name, &bytes)?;
        let outcome = session.analyse(&pair.input, None)?;
        let map = |suffix: &str| -> Result<Plane<u8>, Box<dyn Error>> {
            let file = outcome.files.iter().find(|f| f.name.ends_with(suffix));
            let file = file.ok_or_else(|| format!("{name}: the analysis gave no {suffix}"))?;
            picture(&file.name, &file.bytes)
        };
        let infection = map("_infnet.png")?;
        if truth.size() != infection.size() {
            let (found, expected) = (truth.size(), infection.size());
            return Err(format!("{name}: is {found:?} pixels, its slice {expected:?}").into());
        }
        let case = io::case_name(&pair.input.to_string_lossy());
        let above = toolbox::TRUTH_ABOVE;
        let labels = match args.classes {
            true => classes::painted(&truth),
            false => truth.map(|v| u8::from(v > above)),
        };
        tallies[0].add(&case, &infection, &labels.map(|v| v.min(1)))?;
        if args.classes {
            let found = map("_classes.png")?;
            for label in [1u8, 2] {
                let only =
                    |plane: &Plane<u8>, set: u8| plane.map(|v| if v == label { set } else { 0 });
                let tally = &mut tallies[usize::from(label)];
                tally.add(
                    &case,
                    &only(&found, 255),
                    &only(&labels, label).map(|v| v.min(1)),
                )?;
            }
        }
    }
    let measured = if args.classes { 3 } else { 1 };
    for case in &tallies[0].cases {
        let number = |key: &str| case[key].as_f64().unwrap_or(f64::NAN);
        println!(
            "{:>24}  Dice at 0.5 {:.4}  toolbox {:.4}",
            case["case"].as_str().unwrap_or_default(),
            number("dice"),
            number("toolbox_dice")
        );
    }
    let mut table = json!({});
    for (title, tally) in titles.iter().zip(&tallies).take(measured) {
        tally.print(title, args.protocol);
        table[title.replace(' ', "_")] = tally.json();
    }
    if let Some(path) = &args.svg {
        write(path, curve::svg(&tallies[0].paper).as_bytes())?;
    }
    Ok(table)
}
