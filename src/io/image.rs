//! One slice as PNG or JPEG, in and out.

use std::io::Cursor;

use image::error::ImageError;
use image::{GrayImage, ImageFormat, ImageReader};

use super::sniff::{self, Kind};
use super::{IoError, Limits};

/// Longest side of an image in pixels.
const MAX_SIDE: u32 = 16384;
/// Most memory that decoding may take: room for the largest grey image, twice.
const MAX_ALLOC: u64 = 2 * (MAX_SIDE as u64) * (MAX_SIDE as u64);

/// Reads a PNG or JPEG of 8 or 16 bits as 8-bit grey, in the file's own orientation.
///
/// 16 bits are scaled to 8 over the full range; colour becomes luma; transparency is ignored.
///
/// # Errors
///
/// If the content is neither PNG nor JPEG, larger than the limits, or does not decode.
pub fn read(name: &str, bytes: &[u8], limits: &Limits) -> Result<GrayImage, IoError> {
    let format = match sniff::kind(bytes) {
        Kind::Png => ImageFormat::Png,
        Kind::Jpeg => ImageFormat::Jpeg,
        other => return Err(sniff::refuse(name, other)),
    };
    let reader = || {
        let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
        let mut allowed = image::Limits::default();
        allowed.max_image_width = Some(MAX_SIDE);
        allowed.max_image_height = Some(MAX_SIDE);
        allowed.max_alloc = Some(MAX_ALLOC.min(limits.max_bytes as u64));
        reader.limits(allowed);
        reader
    };
    let failed = |error| decode_error(name, limits, &error);
    let (width, height) = reader().into_dimensions().map_err(failed)?;
    if u64::from(width) * u64::from(height) > limits.max_voxels as u64 {
        return Err(IoError::TooLarge {
            file: name.to_owned(),
            size: format!("{width} × {height} pixels"),
            limit: format!("{} pixels", limits.max_voxels),
        });
    }
    reader()
        .decode()
        .map(|picture| picture.into_luma8())
        .map_err(failed)
}

fn decode_error(name: &str, limits: &Limits, error: &ImageError) -> IoError {
    let file = name.to_owned();
    match error {
        ImageError::Limits(_) => IoError::TooLarge {
            file,
            size: error.to_string(),
            limit: format!(
                "{MAX_SIDE} × {MAX_SIDE} pixels and {} bytes",
                MAX_ALLOC.min(limits.max_bytes as u64)
            ),
        },
        _ => IoError::Image {
            file,
            reason: error.to_string(),
        },
    }
}

/// The bytes of an 8-bit grey PNG; `name` is for the message if there is one.
///
/// # Errors
///
/// If the encoder refuses the image, as it does one without pixels.
pub fn write_png(name: &str, picture: &GrayImage) -> Result<Vec<u8>, IoError> {
    let mut out = Cursor::new(Vec::new());
    picture
        .write_to(&mut out, ImageFormat::Png)
        .map_err(|error| IoError::ImageWrite {
            file: name.to_owned(),
            reason: error.to_string(),
        })?;
    Ok(out.into_inner())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use image::{DynamicImage, ImageBuffer, Luma, Rgb};

    fn encode(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut out = Cursor::new(Vec::new());
        picture.write_to(&mut out, format).unwrap();
        out.into_inner()
    }

    fn gradient() -> GrayImage {
        GrayImage::from_fn(40, 30, |x, y| Luma([(x * 5 + y) as u8]))
    }

    #[test]
    fn grey_png_comes_back_exactly() {
        let png = write_png("a.png", &gradient()).unwrap();
        assert_eq!(read("a.png", &png, &Limits::default()).unwrap(), gradient());
    }

    #[test]
    fn sixteen_bits_are_scaled_to_eight() {
        let wide: ImageBuffer<Luma<u16>, _> =
            ImageBuffer::from_fn(40, 30, |x, y| Luma([(x * 5 + y) as u16 * 257]));
        let png = encode(&DynamicImage::ImageLuma16(wide), ImageFormat::Png);
        assert_eq!(read("a.png", &png, &Limits::default()).unwrap(), gradient());
    }

    #[test]
    fn grey_stored_as_colour_keeps_its_grey() {
        let colour = ImageBuffer::from_fn(40, 30, |x, y| Rgb([(x * 5 + y) as u8; 3]));
        let png = encode(&DynamicImage::ImageRgb8(colour), ImageFormat::Png);
        assert_eq!(read("a.png", &png, &Limits::default()).unwrap(), gradient());
    }

    #[test]
    fn jpeg_is_close() {
        let jpeg = encode(&DynamicImage::ImageLuma8(gradient()), ImageFormat::Jpeg);
        let grey = read("a.jpg", &jpeg, &Limits::default()).unwrap();
        let worst = grey
            .iter()
            .zip(gradient().iter())
            .map(|(a, b)| a.abs_diff(*b))
            .max();
        assert!(worst.unwrap() < 16, "{worst:?}");
    }

    #[test]
    fn large_images_are_refused_before_decoding() {
        let wide = GrayImage::new(MAX_SIDE + 1, 1);
        let png = write_png("wide.png", &wide).unwrap();
        let error = read("wide.png", &png, &Limits::default()).unwrap_err();
        assert!(matches!(error, IoError::TooLarge { .. }), "{error}");
        let few = Limits {
            max_voxels: 1199,
            ..Limits::default()
        };
        let png = write_png("a.png", &gradient()).unwrap();
        let error = read("a.png", &png, &few).unwrap_err();
        assert!(error.to_string().contains("40 × 30 pixels"), "{error}");
    }

    #[test]
    fn damaged_images_give_errors() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg] {
            let whole = encode(&DynamicImage::ImageLuma8(gradient()), format);
            for cut in 0..whole.len() {
                // A JPEG cut in its pixels may still decode; that it returns is what counts.
                let result = read("cut", &whole[..cut], &Limits::default());
                assert!(
                    result.is_err() || cut > whole.len() / 2,
                    "{format:?} at {cut}"
                );
            }
            for at in 8..whole.len() {
                let mut broken = whole.clone();
                broken[at] ^= 0x55;
                let _ = read("broken", &broken, &Limits::default());
            }
        }
    }

    #[test]
    fn images_without_pixels_are_not_written() {
        let error = write_png("none.png", &GrayImage::new(0, 0)).unwrap_err();
        assert!(error.to_string().contains("none.png"), "{error}");
    }

    #[test]
    fn volumes_are_no_images() {
        let mut header = vec![0_u8; 352];
        header[..4].copy_from_slice(&348_i32.to_le_bytes());
        header[344..348].copy_from_slice(b"n+1\0");
        let error = read("a.png", &header, &Limits::default()).unwrap_err();
        assert!(error.to_string().contains("NIfTI"), "{error}");
    }
}
