//! Curves over the toolbox's thresholds, as a picture.

use crate::metrics::toolbox::{ImageMeasures, THRESHOLDS};

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 300.0;
/// Around the plot: left, top, right, bottom.
const MARGINS: [f64; 4] = [48.0, 16.0, 120.0, 44.0];

type Curve = fn(&ImageMeasures) -> &[f64];
/// Colours that people who are colour-blind tell apart (Okabe and Ito 2008).
const CURVES: [(&str, &str, Curve); 3] = [
    ("Dice", "#0072b2", |m| &m.dice),
    ("sensitivity", "#d55e00", |m| &m.sen),
    ("specificity", "#009e73", |m| &m.spec),
];

/// An SVG of Dice, sensitivity and specificity over the threshold, averaged over the images.
pub fn svg(images: &[ImageMeasures]) -> String {
    let [left, top, right, bottom] = MARGINS;
    let (width, height) = (WIDTH - left - right, HEIGHT - top - bottom);
    let x = |threshold: f64| left + threshold * width;
    let y = |value: f64| top + (1.0 - value) * height;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <title>Measures over the threshold, mean of {} slices</title>\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n",
        images.len()
    );
    let mut put = |text: String| out.push_str(&(text + "\n"));
    for tick in 0..=5 {
        let at = f64::from(tick) / 5.0;
        put(format!(
            "<path d=\"M{:.1} {top}V{:.1}M{left} {:.1}H{:.1}\" stroke=\"#ddd\"/>",
            x(at),
            top + height,
            y(at),
            left + width
        ));
        put(format!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{at:.1}</text>",
            x(at),
            top + height + 16.0
        ));
        put(format!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{at:.1}</text>",
            left - 6.0,
            y(at) + 4.0
        ));
    }
    put(format!(
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">threshold on the stretched map</text>",
        left + width / 2.0,
        HEIGHT - 8.0
    ));
    for (i, (name, colour, values)) in CURVES.into_iter().enumerate() {
        let points = (0..THRESHOLDS).map(|t| {
            let sum: f64 = images.iter().filter_map(|m| values(m).get(t)).sum();
            let threshold = (THRESHOLDS - 1 - t) as f64 / (THRESHOLDS - 1) as f64;
            let mean = sum / images.len().max(1) as f64;
            format!("{:.1},{:.1}", x(threshold), y(mean))
        });
        let points: Vec<String> = points.collect();
        put(format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            points.join(" ")
        ));
        put(format!(
            "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\">{name}</text>",
            left + width + 8.0,
            top + 16.0 + 18.0 * i as f64
        ));
    }
    put("</svg>".into());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::toolbox::measure;
    use crate::plane::Plane;

    #[test]
    fn a_perfect_map_has_its_curve_at_the_top() {
        let truth = Plane::from_fn([8, 8], |x, _| if x < 4 { 255 } else { 0 });
        let drawn = svg(&[measure(&truth, &truth)]);
        let dice = drawn.lines().find(|l| l.contains("polyline"));
        let points: Vec<&str> = dice
            .and_then(|l| l.split('"').nth(1))
            .map_or(vec![], |p| p.split(' ').collect());
        assert_eq!(points.len(), THRESHOLDS);
        // Threshold 1 is at the right, and every threshold above 0 gives a Dice of 1.
        assert_eq!(points[0], "360.0,16.0");
        assert!(points[..255].iter().all(|p| p.ends_with(",16.0")));
        assert!(!points[255].ends_with(",16.0"));
    }
}
