//! The steps that the lesson shows are those of the analysis, to the last voxel.

use burn::backend::Flex;
use pleura::analysis::lesson::{Ask, Generator, Lesson, Shown, Thresholds};
use pleura::analysis::{Analysis, NormnetPath, Options, Tile};
use pleura::engine::Engine;
use pleura::io::{self, Limits};
use pleura::phantom::{self, PhantomConfig};
use pleura::volume::Volume;
use pleura::weights::Manifest;
use std::path::{Path, PathBuf};

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models")
}

/// A piece of the demo case whose lungs come from the threshold and whose tiles are merged, twice.
fn analysed(options: Options) -> (Analysis, Analysis) {
    let config = PhantomConfig {
        dims: [200, 200, 128],
        spacing: [2.0, 2.0, 2.5],
        ..PhantomConfig::demo(4, 6, Some(40.0))
    };
    let made = phantom::generate(&config);
    let file = io::nifti::write_hu(&made.hu, true);
    let manifest = std::fs::read(models().join("manifest.json")).unwrap();
    let manifest = Manifest::parse("manifest.json", &manifest).unwrap();
    let open = || {
        let mut analysis =
            Analysis::open("phantom.nii.gz", &file, options, &Limits::default()).unwrap();
        analysis.set_lungs("lungs", made.lungs.clone()).unwrap();
        analysis.prepare(&manifest, &mut |_| ()).unwrap();
        analysis
    };
    let (mut shown, mut finished) = (open(), open());
    let mut engine = Engine::<Flex>::new(Default::default());
    for entry in options.needs(&manifest, false).unwrap() {
        let bytes = std::fs::read(models().join(&entry.file)).unwrap();
        engine.load(entry, &bytes).unwrap();
    }
    for tile in 0..shown.tiles().len() {
        let (task, input) = shown.input(tile).unwrap();
        let bytes = pollster::block_on(engine.compute(&task, &input)).unwrap();
        shown.merge(tile, &bytes).unwrap();
        finished.merge(tile, &bytes).unwrap();
    }
    (shown, finished)
}

/// A mask of the analysis's files, along the phantom's own axes, which are LPS but for signs.
fn saved(analysis: Analysis, end: &str) -> Volume<u8> {
    let outcome = analysis.finish("test").unwrap();
    let file = outcome
        .files
        .iter()
        .find(|f| f.name.ends_with(end))
        .unwrap();
    let mask = io::nifti::read_labels(&file.name, &file.bytes, &Limits::default()).unwrap();
    mask.into_lps().0
}

fn show(lesson: &mut Lesson, analysis: &Analysis, ask: Ask) -> Shown {
    lesson.show(analysis, &ask).unwrap()
}

fn bytes(shown: &Shown, name: &str) -> Vec<u8> {
    shown
        .values(name)
        .unwrap()
        .iter()
        .map(|&v| v as u8)
        .collect()
}

#[test]
fn the_last_steps_are_the_analysis_s_own_masks() {
    let (analysis, finished) = analysed(Options::default());
    let mut lesson = Lesson::default();
    let outline = lesson.outline(&analysis).unwrap();
    let infnet = outline.infnet.clone().unwrap();
    let outcome = finished.finish("test").unwrap();
    let mask = |end: &str| {
        let file = outcome
            .files
            .iter()
            .find(|f| f.name.ends_with(end))
            .unwrap();
        let read = io::nifti::read_labels(&file.name, &file.bytes, &Limits::default());
        read.unwrap().into_lps().0
    };
    let (normnet, inf) = (mask("_normnet.nii.gz"), mask("_infnet.nii.gz"));
    let (mut marked, mut infected) = (0, 0);
    for k in 0..outline.dims[2] {
        let post = Thresholds::default();
        let shown = show(&mut lesson, &analysis, Ask::Normnet { k, post });
        assert_eq!(
            bytes(&shown, "mask"),
            normnet.slice(k),
            "NormNet, slice {k}"
        );
        marked += normnet.slice(k).iter().filter(|v| **v != 0).count();
        if (outline.lungs[0]..=outline.lungs[1]).contains(&k) {
            let infection = None;
            let shown = show(&mut lesson, &analysis, Ask::Infnet { k, infection });
            let crop = infnet.crop;
            let want: Vec<u8> = (0..crop.size[1])
                .flat_map(|y| {
                    let row = crop.start[0] + (crop.start[1] + y) * outline.dims[0];
                    inf.slice(k)[row..row + crop.size[0]].to_vec()
                })
                .collect();
            assert_eq!(bytes(&shown, "mask"), want, "Inf-Net, slice {k}");
            // Nothing of the mask lies outside the crop.
            let all = inf.slice(k).iter().filter(|v| **v != 0).count();
            assert_eq!(want.iter().filter(|v| **v != 0).count(), all);
            infected += all;
            let tile = infnet.first_tile + k - outline.lungs[0];
            assert_eq!(analysis.tiles()[tile], Tile::Slice { k });
        }
    }
    // Inf-Net, which expects finer pixels than these, finds little.
    assert!(marked > 500 && infected > 0, "{marked} {infected}");
    let suggested = normnet.slice(outline.suggested);
    assert!(
        suggested.iter().any(|&v| v != 0),
        "the suggested slice has lesions"
    );
}

#[test]
fn the_paper_s_path_keeps_what_is_diaphragm() {
    let options = Options {
        normnet: NormnetPath::Paper,
        model: pleura::analysis::Which::Normnet,
        ..Options::default()
    };
    let (analysis, finished) = analysed(options);
    let mask = saved(finished, "_normnet.nii.gz");
    let mut lesson = Lesson::default();
    assert!(lesson.outline(&analysis).unwrap().infnet.is_none());
    for k in 0..mask.dims[2] {
        let post = Thresholds::default();
        let shown = show(&mut lesson, &analysis, Ask::Normnet { k, post });
        assert_eq!(bytes(&shown, "mask"), mask.slice(k), "slice {k}");
    }
    let infection = None;
    assert!(
        lesson
            .show(&analysis, &Ask::Infnet { k: 8, infection })
            .is_err()
    );
}

#[test]
fn each_step_follows_from_the_one_before() {
    let options = Options {
        model: pleura::analysis::Which::Normnet,
        ..Options::default()
    };
    let (analysis, _) = analysed(options);
    let mut lesson = Lesson::default();
    let outline = lesson.outline(&analysis).unwrap();
    let normnet = outline.normnet.clone().unwrap();
    let k = outline.suggested;
    let pixels = normnet.view.size[0] * normnet.view.size[1];

    let frame = show(&mut lesson, &analysis, Ask::Frame { k });
    let (h, clipped) = (frame.values("h").unwrap(), frame.values("clipped").unwrap());
    assert_eq!(h.len(), pixels);
    for (at, &lung) in frame.values("lungs").unwrap().iter().enumerate() {
        let want = if lung != 0.0 { clipped[at] } else { 0.0 };
        assert!(
            (h[at] - want).abs() < 1e-5,
            "H is the clipped image in the lungs"
        );
    }

    let post = Thresholds::default();
    let models = show(&mut lesson, &analysis, Ask::Models { k, post });
    assert_eq!(normnet.models.len(), 5);
    let votes = models.values("votes").unwrap();
    for (at, &v) in votes.iter().enumerate() {
        let sure = (1..=5)
            .filter(|n| models.values(&format!("model_{n}")).unwrap()[at] > normnet.post.healthy);
        assert_eq!(sure.count(), v as usize);
    }

    let grown = show(&mut lesson, &analysis, Ask::Post { k, post });
    let get = |name: &str| grown.values(name).unwrap();
    assert_eq!(get("votes"), votes);
    for at in 0..pixels {
        let healthy = votes[at] >= 3.0;
        let bright = !healthy && h[at] >= 0.33;
        assert_eq!(get("bright")[at], if bright { h[at] } else { 0.0 });
        assert_eq!(get("full")[at], if healthy { 0.0 } else { h[at] });
        assert_eq!(
            get("seeds")[at] != 0.0,
            get("bright_mean")[at] > normnet.post.bright_threshold
        );
        assert_eq!(
            get("region")[at] != 0.0,
            get("full_mean")[at] > normnet.post.full_threshold
        );
        assert!(get("lesions")[at] <= get("region")[at]);
    }
    assert!(get("lesions").iter().any(|&v| v != 0.0));

    // A threshold that nothing reaches leaves nothing, and the other way about.
    let none = Thresholds {
        bright: Some(1.1),
        ..post
    };
    let none = show(&mut lesson, &analysis, Ask::Post { k, post: none });
    assert!(none.values("lesions").unwrap().iter().all(|&v| v == 0.0));
    let more = Thresholds {
        full: Some(0.05),
        ..post
    };
    let more = show(&mut lesson, &analysis, Ask::Post { k, post: more });
    let sum = |s: &Shown| s.values("lesions").unwrap().iter().sum::<f32>();
    assert!(sum(&more) > sum(&grown));
    assert_eq!(show(&mut lesson, &analysis, Ask::Post { k, post }), grown);
}

#[test]
fn lesions_follow_their_seed_and_their_settings() {
    let options = Options {
        model: pleura::analysis::Which::Normnet,
        ..Options::default()
    };
    let (analysis, _) = analysed(options);
    let mut lesson = Lesson::default();
    let k = lesson.outline(&analysis).unwrap().suggested;
    let mut draw =
        |generator: Generator| show(&mut lesson, &analysis, Ask::Lesions { k, generator });
    let plain = Generator {
        seed: 1,
        ..Generator::default()
    };
    let first = draw(plain);
    assert_ne!(
        draw(Generator { seed: 2, ..plain }).values("image"),
        first.values("image")
    );
    assert_eq!(draw(plain), first);
    let get = |shown: &Shown, name: &str| shown.values(name).unwrap().to_vec();
    let (h, image, blobs) = (get(&first, "h"), get(&first, "image"), get(&first, "blobs"));
    assert!(blobs.iter().any(|&b| b != 0.0), "lesions on this slice");
    for at in 0..h.len() {
        // A = max(H, B), and B is nothing outside the blobs.
        assert!(image[at] >= h[at] && (blobs[at] != 0.0 || image[at] == h[at]));
    }
    // The target is the healthy image's, whatever is pasted in.
    let many = draw(Generator {
        amount: Some(3.0),
        ..plain
    });
    assert_eq!(get(&many, "target"), get(&first, "target"));
    assert!(
        many.facts[1].1 > first.facts[1].1,
        "more lesions take more room"
    );
    let bright = draw(Generator {
        brightness: Some(0.9),
        ..plain
    });
    let dim = draw(Generator {
        brightness: Some(0.3),
        ..plain
    });
    let sum = |shown: &Shown| get(shown, "image").iter().sum::<f32>();
    assert!(sum(&bright) > sum(&dim));
    let beyond = draw(Generator {
        beyond: true,
        ..plain
    });
    assert_ne!(get(&beyond, "image"), image);
}
