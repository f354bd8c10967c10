//! `pleura follow` from outside: reports of phantoms in, comparison, table and picture out.

use crate::command::{assert_code, assert_says, names, pleura, text};
use pleura::findings::{Findings, Measured, Provenance, findings};
use pleura::follow::{FollowUp, Lung, Part};
use pleura::phantom::{PhantomConfig, generate};
use pleura::weights::Network;
use std::fs;
use std::path::Path;

/// The report on a piece of the phantom with so many lesions, as if Inf-Net had found them all.
fn report(folder: &Path, name: &str, lesions: usize) -> (String, Findings) {
    let phantom = generate(&PhantomConfig::demo(4, lesions, Some(20.0)));
    let (hu, input) = phantom.hu.into_lps();
    let (lungs, _) = phantom.lungs.into_lps();
    let (mut mask, _) = phantom.lesions.into_lps();
    mask.data.iter_mut().for_each(|v| *v = (*v).min(1));
    let measured = Measured {
        hu: &hu,
        lungs: &lungs,
        normnet: None,
        infnet: Some(&mask),
        infnet_classified: false,
        input: &input,
    };
    let found = findings(&measured, Vec::new(), Provenance::on("test")).unwrap();
    let path = folder.join(name);
    fs::write(&path, found.to_json().unwrap()).unwrap();
    (text(&path), found)
}

#[test]
fn reports_of_two_days_give_comparison_table_and_picture() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| text(&folder.path().join(name));
    let (earlier, before) = report(folder.path(), "p_2026-01-11_report.json", 6);
    let (later, after) = report(folder.path(), "p_report.json", 0);
    let (out, csv, svg) = (at("p_followup.json"), at("p.csv"), at("p.svg"));

    // Nothing says when the second was made.
    let run = |dates: &[&str]| {
        let mut args = vec!["follow", &later, &earlier, "--out", &out];
        args.extend(["--csv", &csv, "--svg", &svg]);
        args.extend(dates);
        pleura(args)
    };
    let refused = run(&[]);
    assert_code(&refused, 1);
    assert_says(&refused, &["p_report.json", "YYYY-MM-DD"]);
    for (dates, said) in [("2026-02-01", "2 reports"), ("1.2.2026,-", "1.2.2026")] {
        let refused = run(&["--dates", dates]);
        assert_code(&refused, 1);
        assert_says(&refused, &["--dates", said]);
    }
    assert_eq!(names(folder.path()).len(), 2, "nothing was left behind");

    let done = run(&["--dates", "2026-02-01,-"]);
    assert_code(&done, 0);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(
        said.contains("Inf-Net, both lungs: ") && said.contains("points in 21 days"),
        "{said}"
    );
    let compared: FollowUp = serde_json::from_slice(&fs::read(&out).unwrap()).unwrap();
    let both = compared
        .row(Network::Infnet, Lung::Both, Part::Whole)
        .unwrap();
    let percent = |f: &Findings| f.both.infnet.as_ref().unwrap().lesion.percent;
    assert!(percent(&before) > Some(0.0));
    let values: Vec<_> = both.values.iter().map(|v| v.percent).collect();
    assert_eq!(values, [percent(&before), percent(&after)]);
    let csv = fs::read_to_string(csv).unwrap();
    assert!(csv.contains("2026-02-01,21,p,infnet,both,whole,"), "{csv}");
    assert!(fs::read_to_string(svg).unwrap().starts_with("<svg "));
}

#[test]
fn what_is_no_report_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (good, _) = report(folder.path(), "a_2026-01-11_report.json", 1);
    let bad = text(&folder.path().join("b_2026-01-12_report.json"));
    let out = text(&folder.path().join("out.json"));
    let missing = pleura(["follow", &good, &bad, "--out", &out]);
    assert_code(&missing, 1);
    assert_says(&missing, &["b_2026-01-12_report.json"]);
    fs::write(&bad, "{\"schema_version\": 1}").unwrap();
    let refused = pleura(["follow", &good, &bad, "--out", &out]);
    assert_code(&refused, 1);
    assert_says(&refused, &["b_2026-01-12_report.json", "is no report"]);
    // Much longer than any report, and never read.
    fs::File::options()
        .write(true)
        .open(&bad)
        .unwrap()
        .set_len(1 << 34)
        .unwrap();
    let refused = pleura(["follow", &good, &bad, "--out", &out]);
    assert_code(&refused, 1);
    assert_says(&refused, &["b_2026-01-12_report.json", "bytes"]);
    let alone = pleura(["follow", &good, "--out", &out]);
    assert_code(&alone, 1);
    assert_says(&alone, &["two days or more"]);
    assert_code(&pleura(["follow", "--out", &out]), 2);
}
