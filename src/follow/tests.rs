#![allow(clippy::unwrap_used)]

use super::*;
use crate::findings::{LEFT, Measured, ModelUsed, Provenance, RIGHT, Removed};
use crate::volume::{Affine, Volume};
use crate::weights::Precision;

/// Two lungs of 2 × 2 × 9 voxels each, in slices of 5 mm; NormNet marks so many voxels of the right
/// lung from the base up.
fn findings(marked: usize) -> Findings {
    let affine = Affine::from_spacing([10.0, 10.0, 5.0]);
    let (hu, input) = Volume::filled(-850_i16, [4, 2, 9], affine).into_lps();
    let mut lungs = hu.like(vec![LEFT; hu.len()]).unwrap();
    let mut normnet = hu.like(vec![0_u8; hu.len()]).unwrap();
    let mut left = marked;
    for at in 0..hu.len() {
        if at % 4 >= 2 {
            continue;
        }
        lungs.data[at] = RIGHT;
        if left > 0 {
            normnet.data[at] = 1;
            left -= 1;
        }
    }
    let measured = Measured {
        hu: &hu,
        lungs: &lungs,
        normnet: Some(&normnet),
        infnet: None,
        infnet_classified: false,
        input: &input,
    };
    let mut provenance = Provenance::on("test");
    provenance.models.push(ModelUsed {
        name: "normnet-1".into(),
        network: Network::Normnet,
        precision: Precision::Int8,
        sha256: "aa".into(),
    });
    provenance.thresholds.insert("bright".into(), -500.0);
    crate::findings::findings(&measured, Vec::new(), provenance).unwrap()
}

fn json(findings: &Findings) -> Vec<u8> {
    findings.to_json().unwrap().into_bytes()
}

/// Compares reports by name.
fn compare(reports: &[(&str, &Findings)]) -> Result<FollowUp, FollowError> {
    let read: Vec<(&str, Vec<u8>)> = reports.iter().map(|(n, f)| (*n, json(f))).collect();
    let given = read.iter().map(|(name, report)| Given {
        name,
        report,
        date: None,
    });
    FollowUp::of(&given.collect::<Vec<_>>())
}

fn codes(compared: &FollowUp) -> Vec<(&str, Vec<usize>)> {
    let all = compared.remarks.iter();
    all.map(|r| (r.code.as_str(), r.scans.clone())).collect()
}

#[test]
fn changes_are_points_from_the_first_day_and_the_day_before() {
    let (a, b, c) = (findings(9), findings(18), findings(3));
    // In another order than that of the dates.
    let compared = compare(&[
        ("x/p_2026-02-01_report.json", &b),
        ("p_2026-01-11_report.json", &a),
        ("p_2026-02-02_report.json", &c),
    ])
    .unwrap();
    let dates: Vec<String> = compared.scans.iter().map(|s| s.date.to_string()).collect();
    assert_eq!(dates, ["2026-01-11", "2026-02-01", "2026-02-02"]);
    let days = compared.scans.iter();
    let days: Vec<_> = days
        .map(|s| (s.days_from_first, s.days_from_previous))
        .collect();
    assert_eq!(days, [(0, None), (21, Some(21)), (22, Some(1))]);
    assert_eq!(compared.scans[1].case, "p_2026-02-01");
    assert_eq!(compared.scans[1].slice_mm, Some(5.0));
    assert_eq!(compared.scans[1].lung_ml, [36.0, 18.0, 18.0]);

    assert_eq!(compared.networks(), [Network::Normnet]);
    assert_eq!(compared.rows.len(), 12);
    let row = |lung, part| compared.row(Network::Normnet, lung, part).unwrap();
    let right = &row(Lung::Right, Part::Whole).values;
    let percents: Vec<_> = right.iter().map(|v| v.percent.unwrap()).collect();
    assert_eq!(percents, [25.0, 50.0, 8.333]);
    // As the reports have it.
    assert_eq!(
        right[2].percent,
        c.right.normnet.as_ref().unwrap().lesion.percent
    );
    assert_eq!(
        right[2].ml,
        Some(c.right.normnet.as_ref().unwrap().lesion.ml)
    );
    let points: Vec<_> = right
        .iter()
        .map(|v| (v.from_first, v.from_previous))
        .collect();
    assert_eq!(
        points,
        [
            (None, None),
            (Some(25.0), Some(25.0)),
            (Some(-16.667), Some(-41.667))
        ]
    );
    // 18 of 36 voxels from the base up are the lower third and half of the middle one.
    let thirds = [Part::Upper, Part::Middle, Part::Lower].map(|part| {
        let value = row(Lung::Right, part).values[1];
        (value.percent.unwrap(), value.ml.unwrap())
    });
    assert_eq!(thirds, [(0.0, 0.0), (50.0, 3.0), (100.0, 6.0)]);
    assert!(codes(&compared).is_empty(), "{:?}", compared.remarks);
    assert_eq!(
        compared.sentences()[1],
        "NormNet, right lung: 25.00 % → 8.33 %, −16.67 points in 22 days"
    );
    assert_eq!(
        compared.sentences()[2],
        "NormNet, left lung: 0.00 % → 0.00 %, 0.00 points in 22 days"
    );
    let again: FollowUp = serde_json::from_str(&compared.to_json().unwrap()).unwrap();
    assert_eq!(again, compared);
}

#[test]
fn a_date_is_given_reported_or_plain_in_the_name_and_never_invented() {
    let (mut a, b) = (findings(9), findings(18));
    a.date = Date::iso("2026-03-01");
    let (report, other) = (json(&a), json(&b));
    let given = |date| Given {
        name: "2026-01-01_report.json",
        report: &report,
        date,
    };
    let with = |date| {
        let name = "2026-05-05/b_report.json";
        let before = Given {
            name,
            report: &other,
            date: Date::iso("2025-01-01"),
        };
        let compared = FollowUp::of(&[given(date), before]).unwrap();
        (
            compared.scans[1].date.to_string(),
            compared.scans[1].date_from,
        )
    };
    assert_eq!(with(None), ("2026-03-01".into(), DateSource::Report));
    let by_hand = Date::iso("2026-04-01");
    assert_eq!(with(by_hand), ("2026-04-01".into(), DateSource::Given));
    let found = date_of("ct_2026-01-01_report.json", &other).unwrap();
    assert_eq!(
        found,
        Some((Date::iso("2026-01-01").unwrap(), DateSource::FileName))
    );
    assert_eq!(date_of("2026-05-05/b_report.json", &other).unwrap(), None);
    let error = compare(&[("a_report.json", &a), ("b_report.json", &b)]).unwrap_err();
    assert!(matches!(&error, FollowError::NoDate { file } if file == "b_report.json"));
    assert!(error.to_string().contains("YYYY-MM-DD"));
}

#[test]
fn what_makes_days_hard_to_compare_is_said() {
    let first = findings(9);
    let mut second = findings(9);
    second.scan.spacing_mm[2] = 5.4;
    second.provenance.version = "9.9.9".into();
    second.provenance.models[0].sha256 = "bb".into();
    second.provenance.thresholds.insert("bright".into(), -450.0);
    second.both.lung_ml = 36.0 * 1.21;
    second.warnings.push(WarningEntry {
        code: "lungs_cut".into(),
        text: String::new(),
    });
    let lesion = second.normnet.as_ref().unwrap().listed[0].clone();
    second.removed.push(Removed {
        network: Network::Normnet,
        lesion,
    });
    let mut third = first.clone();
    third.normnet = None;
    for lung in [&mut third.both, &mut third.right, &mut third.left] {
        lung.normnet = None;
    }
    third.provenance.models.clear();
    third.provenance.thresholds.clear();
    let compared = compare(&[
        ("2026-01-01", &first),
        ("2026-01-02", &second),
        ("2026-01-03", &third),
    ])
    .unwrap();
    assert_eq!(
        codes(&compared),
        [
            ("edited", vec![1]),
            ("lungs_cut", vec![1]),
            ("slice_thickness", vec![0, 1]),
            ("lung_volume", vec![0, 1]),
            ("weights", vec![0, 1]),
            ("thresholds", vec![0, 1]),
            ("version", vec![0, 1]),
            ("networks", vec![0, 2]),
            ("slice_thickness", vec![1, 2]),
            ("networks", vec![1, 2]),
            ("version", vec![1, 2]),
        ]
    );
    assert!(
        compared.remarks[3]
            .text
            .contains("2026-01-01 and 2026-01-02: lung volumes of 36 ml and of 44 ml")
    );
    // Where the network did not run there is nothing, and no change.
    let value = compared
        .row(Network::Normnet, Lung::Both, Part::Whole)
        .unwrap()
        .values[2];
    assert_eq!(
        (value.percent, value.ml, value.from_first),
        (None, None, None)
    );
    assert!(compared.sentences().is_empty());
    // A scan without lungs differs from one with lungs, and not from itself.
    let mut none = first.clone();
    none.both.lung_ml = 0.0;
    let compared = compare(&[
        ("2026-01-01", &none),
        ("2026-01-02", &none),
        ("2026-01-03", &first),
    ]);
    let volumes = [("lung_volume", vec![0, 2]), ("lung_volume", vec![1, 2])];
    assert_eq!(codes(&compared.unwrap()), volumes);
}

#[test]
fn what_is_no_report_is_refused_by_name() {
    let good = json(&findings(9));
    let refused = |bytes: &[u8]| {
        let given = [
            ("ok_2026-01-01", good.as_slice()),
            ("bad_2026-01-02", bytes),
        ];
        let given = given.map(|(name, report)| Given {
            name,
            report,
            date: None,
        });
        let error = FollowUp::of(&given).unwrap_err();
        assert!(error.to_string().contains("bad_2026-01-02"), "{error}");
        error
    };
    for bytes in [
        &b""[..],
        b"{}",
        b"[1]",
        b"\xff\xfe",
        b"{\"schema_version\": 1}",
    ] {
        assert!(matches!(refused(bytes), FollowError::NotReport { .. }));
    }
    let layout = refused(b"{\"schema_version\": 2, \"more\": 1}");
    assert!(matches!(layout, FollowError::Layout { found: 2, .. }));
    // Nested without end, as far as the size allows.
    assert!(matches!(
        refused(&vec![b'['; 100_000]),
        FollowError::NotReport { .. }
    ));
    assert!(matches!(
        refused(&vec![b' '; MAX_REPORT_BYTES + 1]),
        FollowError::TooLarge { .. }
    ));
    let changed = |of: &str, to: &str| {
        let text = String::from_utf8(good.clone()).unwrap();
        assert!(text.contains(of), "{of}");
        text.replacen(of, to, 1).into_bytes()
    };
    let value = refused(&changed("\"lung_ml\": 36.0", "\"lung_ml\": -36.0"));
    assert!(value.to_string().contains("lung_ml is -36"), "{value}");
    let value = refused(&changed("\"percent\": 12.5", "\"percent\": 1e300"));
    assert!(matches!(value, FollowError::Value { .. }));

    let one = Given {
        name: "a_2026-01-01",
        report: &good,
        date: None,
    };
    assert!(matches!(
        FollowUp::of(&[one]),
        Err(FollowError::TooFew { count: 1 })
    ));
    assert!(matches!(
        FollowUp::of(&[one; MAX_REPORTS + 1]),
        Err(FollowError::TooMany { .. })
    ));
}

#[test]
fn the_table_has_a_line_for_each_day_and_part() {
    let (a, b) = (findings(9), findings(18));
    let name = "a, \"b\"_2026-01-01_report.json";
    let csv = compare(&[(name, &a), ("2026-01-08", &b)]).unwrap().to_csv();
    let lines: Vec<&str> = csv.split("\r\n").collect();
    assert_eq!(lines.len(), 1 + 24 + 1);
    assert!(lines[0].starts_with("date,days_from_first,case,network,lung,part,"));
    assert_eq!(
        lines[9],
        "2026-01-01,0,\"a, \"\"b\"\"_2026-01-01\",normnet,right,whole,18,4.5,25,,"
    );
    assert_eq!(
        lines[10],
        "2026-01-08,7,2026-01-08,normnet,right,whole,18,9,50,25,25"
    );
}

#[test]
fn the_trend_is_a_line_for_each_lung() {
    let (a, b, mut c) = (findings(9), findings(18), findings(3));
    let reports = |c: &Findings| {
        compare(&[("2026-01-01", &a), ("2026-01-11", &b), ("2026-01-31", c)]).unwrap()
    };
    let compared = reports(&c);
    let svg = compared.svg(&ChartTexts::english(&compared));
    let line = |svg: &str, class: &str| {
        let of_class = format!("line {class}\"");
        let mut lines = svg.lines().filter(|l| l.contains(&of_class));
        // Behind that of the legend.
        let path = lines.nth(1).unwrap();
        path.split("d=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap()
            .to_owned()
    };
    let right = line(&svg, "right");
    let points: Vec<[f64; 2]> = right[1..]
        .split('L')
        .map(|p| {
            let mut xy = p.split(' ').map(|n| n.parse().unwrap());
            [xy.next().unwrap(), xy.next().unwrap()]
        })
        .collect();
    // A third of the way, and 50 % at the top of an axis that ends there.
    let across = (points[1][0] - points[0][0]) / (points[2][0] - points[0][0]);
    assert!((across - 1.0 / 3.0).abs() < 0.01);
    assert_eq!(points[1][1], MARGIN_TOP);
    assert!(points[0][1] > points[1][1] && points[2][1] > points[0][1]);
    assert!(svg.contains("<title>Lung marked") && svg.contains("right lung: 25.00 % → 8.33 %"));
    assert!(svg.contains(">2026-01-31<") && svg.contains("not for diagnosis"));
    assert_eq!(svg.matches("class=\"mark right\"").count(), 1 + 3);
    // Broken where the network did not run.
    for lung in [&mut c.both, &mut c.right, &mut c.left] {
        lung.normnet = None;
    }
    let broken = reports(&c);
    let mut texts = ChartTexts::english(&broken);
    texts.title = "<script>&\u{1}".into();
    texts.decimal = ",".into();
    let svg = broken.svg(&texts);
    assert_eq!(svg.matches("class=\"mark right\"").count(), 1 + 2);
    assert!(svg.contains("<title>&lt;script&gt;&amp;</title>"));
    // All on one day, and nothing found.
    let none = findings(0);
    let compared = compare(&[("2026-01-01", &none), ("x2026-01-01", &none)]).unwrap();
    let svg = compared.svg(&texts);
    assert!(!svg.contains("NaN") && svg.contains(">0,1<"), "{svg}");
}

/// Where the axis of the first panel ends.
const MARGIN_TOP: f64 = 44.0;
