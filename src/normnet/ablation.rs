//! What an ablation can leave out of NormNet's training: the paper's own parts (its Table V and
//! what the text describes), and what goes beyond it.

use super::synth::{Elastic, Ellipsoids, Texture, voxels};
use super::train::TrainConfig;

/// A part of the recipe.
pub struct Part {
    /// Its name on the command line and in records.
    pub name: &'static str,
    /// What leaving it out does.
    pub meaning: &'static str,
    /// Takes it out of a recipe.
    pub remove: fn(&mut TrainConfig),
}

/// The part of a name.
pub fn part(name: &str) -> Option<&'static Part> {
    PARTS.iter().find(|part| part.name == name)
}

/// Balls of the paper's ablation of shapes: how many, and their radius in its voxels.
const BALLS: (f32, f32) = (5.0, 12.0);
/// The constant probability of the paper's ablation; it prints 2, most likely tenths.
const EVEN_DENSITY: f32 = 0.2;
/// The constant blur σ_b of the paper's ablation in its voxels.
const ONE_BLUR: f32 = 2.0;
/// The constant brightness μ0 of the paper's ablation: 150 of 255.
const ONE_BRIGHTNESS: f32 = 150.0 / 255.0;

/// Every part that can be left out.
pub const PARTS: [Part; 20] = [
    Part {
        name: "shape",
        meaning: "the paper's ablation of shapes: five balls of one radius",
        remove: |c| {
            let synth = &mut c.slabs.synth;
            synth.small.per_lambda = [0.0; 2];
            synth.medium = Ellipsoids {
                per_lambda: [BALLS.0; 2],
                radius_mm: voxels([BALLS.1; 2]),
            };
            synth.large.per_lambda = 0.0;
            synth.elastic = rigid(&synth.elastic);
        },
    },
    Part {
        name: "elastic",
        meaning: "ellipsoids are not deformed",
        remove: |c| c.slabs.synth.elastic = rigid(&c.slabs.synth.elastic),
    },
    Part {
        name: "rotation",
        meaning: "ellipsoids are not turned",
        remove: |c| c.slabs.synth.rotate = false,
    },
    Part {
        name: "merging",
        meaning: "ellipsoids that touch keep their own textures",
        remove: |c| c.slabs.synth.merge = false,
    },
    Part {
        name: "probability",
        meaning: "the paper's ablation of the probability field: one density everywhere",
        remove: |c| {
            c.slabs.synth.texture.density = [EVEN_DENSITY; 2];
            c.slabs.synth.texture.contrast = 0.0;
        },
    },
    Part {
        name: "texture",
        meaning: "the paper's ablation of textures: one blur and one brightness",
        remove: |c| {
            let texture = &mut c.slabs.synth.texture;
            *texture = Texture {
                sigma_b_mm: voxels([ONE_BLUR; 2]),
                wide: 0.0,
                brightness: [ONE_BRIGHTNESS; 2],
                ..texture.clone()
            };
        },
    },
    Part {
        name: "salt",
        meaning: "no salt noise: smooth blobs",
        remove: |c| c.slabs.synth.texture.salt = false,
    },
    Part {
        name: "edges",
        meaning: "erroneous edges stay in the lung mask",
        remove: |c| c.slabs.edges = None,
    },
    Part {
        name: "lobes",
        meaning: "the paper's deformation in place of lobed outlines",
        remove: |c| c.slabs.synth.elastic.lobes = [0.0; 2],
    },
    Part {
        name: "placement",
        meaning: "lesions anywhere in the lungs, as in the paper",
        remove: |c| {
            c.slabs.synth.placement.sub_pleural = 0.0;
            c.slabs.synth.placement.lower = 0.0;
        },
    },
    Part {
        name: "blend",
        meaning: "no ground glass as partial volume: always the maximum, as in the paper",
        remove: |c| c.slabs.synth.blend.share = 0.0,
    },
    Part {
        name: "consolidation",
        meaning: "no dense cores",
        remove: |c| c.slabs.synth.consolidation.share = 0.0,
    },
    Part {
        name: "soft-edge",
        meaning: "hard outlines",
        remove: |c| c.slabs.synth.edge.softness_mm = [0.0; 2],
    },
    Part {
        name: "detail",
        meaning: "no grain and no septa in lesions",
        remove: |c| {
            c.slabs.synth.detail.grain = [0.0; 2];
            c.slabs.synth.detail.reticular = 0.0;
        },
    },
    Part {
        name: "clean",
        meaning: "lesions in every slab",
        remove: |c| c.slabs.synth.clean = 0.0,
    },
    Part {
        name: "thickness",
        meaning: "slices as thick as the scan's own",
        remove: |c| c.slabs.thickness = [0.0; 2],
    },
    Part {
        name: "scale",
        meaning: "one scale",
        remove: |c| {
            c.slabs.scale = [1.0; 2];
            c.slabs.stretch = [1.0; 2];
        },
    },
    Part {
        name: "offset",
        meaning: "no offset in HU",
        remove: |c| c.slabs.offset = 0.0,
    },
    Part {
        name: "noise",
        meaning: "no noise on the scan",
        remove: |c| c.slabs.noise = 0.0,
    },
    Part {
        name: "ema",
        meaning: "the last weights instead of the averaged ones",
        remove: |c| c.ema = 0.0,
    },
];

/// No deformation of either kind.
fn rigid(elastic: &Elastic) -> Elastic {
    Elastic {
        alpha: [0.0; 2],
        lobes: [0.0; 2],
        ..elastic.clone()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::data::{Scan, draw};
    use super::super::frame::FrameConfig;
    use super::*;
    use crate::training::step_rng;
    use crate::volume::{Affine, Volume};
    use serde_json::Value;

    /// Paths of the leaves in which two settings differ.
    fn differences(a: &Value, b: &Value, path: &str, out: &mut Vec<String>) {
        match (a, b) {
            (Value::Object(x), Value::Object(y)) => {
                for (key, x) in x {
                    differences(x, &y[key], &format!("{path}.{key}"), out);
                }
            }
            _ if a != b => out.push(path.to_string()),
            _ => {}
        }
    }

    /// What each part may touch, below `slabs.synth` unless it starts with a dot.
    const TOUCHES: [(&str, &[&str]); PARTS.len()] = [
        (
            "shape",
            &[
                "elastic.alpha",
                "elastic.lobes",
                "large.per_lambda",
                "medium.per_lambda",
                "medium.radius_mm",
                "small.per_lambda",
            ],
        ),
        ("elastic", &["elastic.alpha", "elastic.lobes"]),
        ("rotation", &["rotate"]),
        ("merging", &["merge"]),
        ("probability", &["texture.contrast", "texture.density"]),
        (
            "texture",
            &["texture.brightness", "texture.sigma_b_mm", "texture.wide"],
        ),
        ("salt", &["texture.salt"]),
        ("edges", &[".slabs.edges"]),
        ("lobes", &["elastic.lobes"]),
        ("placement", &["placement.lower", "placement.sub_pleural"]),
        ("blend", &["blend.share"]),
        ("consolidation", &["consolidation.share"]),
        ("soft-edge", &["edge.softness_mm"]),
        ("detail", &["detail.grain", "detail.reticular"]),
        ("clean", &["clean"]),
        ("thickness", &[".slabs.thickness"]),
        ("scale", &[".slabs.scale", ".slabs.stretch"]),
        ("offset", &[".slabs.offset"]),
        ("noise", &[".slabs.noise"]),
        ("ema", &[".ema"]),
    ];

    #[test]
    fn each_part_changes_what_it_says_and_nothing_else() {
        let whole = serde_json::to_value(TrainConfig::web()).unwrap();
        for (name, touches) in TOUCHES {
            let mut config = TrainConfig::web();
            (part(name).unwrap().remove)(&mut config);
            let less = serde_json::to_value(config).unwrap();
            let mut found = Vec::new();
            differences(&whole, &less, "", &mut found);
            found.sort();
            let want: Vec<String> = touches
                .iter()
                .map(|t| match t.starts_with('.') {
                    true => t.to_string(),
                    false => format!(".slabs.synth.{t}"),
                })
                .collect();
            assert_eq!(found, want, "{name}");
        }
    }

    /// A scan with vessels, and a bright rim that the mask wrongly holds.
    fn scan() -> Scan {
        let dims = [90, 80, 60];
        let affine = Affine::from_spacing([1.25, 1.25, 2.0]);
        let mut hu = Volume::filled(-850i16, dims, affine);
        let mut lungs = vec![0; hu.len()];
        for (at, (hu, lung)) in hu.data.iter_mut().zip(&mut lungs).enumerate() {
            let [i, j] = [at % dims[0], at / dims[0] % dims[1]];
            if (8..82).contains(&i) && (8..72).contains(&j) {
                *lung = 1;
                let vessel = i % 17 < 2 && j % 13 < 2;
                let slice = at / (dims[0] * dims[1]);
                *hu = match (i == 8, vessel) {
                    (true, _) => 40,
                    (_, true) => 20 + (slice % 3) as i16 * 60,
                    _ => -850,
                };
            }
        }
        Scan {
            name: "phantom".into(),
            hu,
            lungs,
            lambda: 1.0,
        }
    }

    #[test]
    fn each_part_of_the_slabs_shows_in_what_is_drawn() {
        let scans = [scan()];
        let mut whole = TrainConfig::web();
        whole.slabs.frame = FrameConfig {
            size: 96,
            ..FrameConfig::web()
        };
        let images = |config: &TrainConfig| -> Vec<Vec<f32>> {
            (0..3)
                .map(|step| draw(&scans, &config.slabs, &mut step_rng(1, step)).image)
                .collect()
        };
        let want = images(&whole);
        assert_eq!(images(&whole), want);
        for part in PARTS.iter().filter(|part| part.name != "ema") {
            let mut config = whole.clone();
            (part.remove)(&mut config);
            assert_ne!(images(&config), want, "{}", part.name);
        }
    }
}
