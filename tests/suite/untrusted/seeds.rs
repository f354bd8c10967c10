//! Small valid files of every kind: what mutations begin with. All show a phantom.

use dicom_core::value::PixelFragmentSequence;
use dicom_core::{DataElement, VR};
use dicom_dictionary_std::{tags, uids};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use image::{DynamicImage, GrayImage, ImageFormat, Luma};
use pleura::io::nifti::{write_hu, write_labels};
use pleura::phantom::{PhantomConfig, generate};
use pleura::volume::Volume;
use pleura::weights::tensors::{Int8, Stored, TensorFile};
use std::io::{Cursor, Write};
use zip::write::{SimpleFileOptions, ZipWriter};

/// The DICOM files of the parser's own tests.
#[allow(dead_code)]
#[path = "../../../src/io/dicom/testing.rs"]
mod writer;

/// Slices of the phantom.
pub(super) const SLICES: usize = 4;

/// A file that opens, and the target that it is for.
pub struct Seed {
    /// The target's name.
    pub target: &'static str,
    /// The file's name.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// All seeds. They are the same in every run.
pub fn seeds() -> Vec<Seed> {
    let phantom = generate(&PhantomConfig {
        dims: [8, 7, SLICES],
        spacing: [42.0, 40.0, 5.0],
        lesions: 1,
        // Twelve bits of DICOM hold it.
        padding: -1024,
        ..PhantomConfig::default()
    });
    let hu = &phantom.hu;
    let mut all = Vec::new();
    let mut add = |target: &'static str, name: String, bytes: Vec<u8>| {
        all.push(Seed {
            target,
            name,
            bytes,
        });
    };
    for gz in [false, true] {
        let (nii, raw) = if gz { ("nii.gz", "gz") } else { ("nii", "raw") };
        add("nifti", format!("hu.{nii}"), write_hu(hu, gz));
        add(
            "nifti",
            format!("labels.{nii}"),
            write_labels(&phantom.lungs, gz),
        );
        add("nrrd_metaimage", format!("{raw}.nrrd"), nrrd(hu, gz));
        add("nrrd_metaimage", format!("{raw}.mha"), metaimage(hu, gz));
    }
    for big in [false, true] {
        let end = if big { "big" } else { "little" };
        add("nifti", format!("v2-{end}.nii"), nifti2(hu, big));
    }
    for (name, bytes) in dicoms(hu) {
        add("dicom", name, bytes);
    }
    for (name, bytes) in images(hu) {
        add("image", name, bytes);
    }
    let series = writer::series(hu, &writer::Options::default());
    let slices = series.iter().map(|f| (f.name.as_str(), &*f.bytes));
    let slices: Vec<_> = slices.chain([("README.txt", &b"read me"[..])]).collect();
    let scan = write_hu(hu, false);
    for deflate in [false, true] {
        add(
            "zip",
            format!("series-{deflate}.zip"),
            zipped(&slices, deflate),
        );
        let one = [("study/scan.nii", &scan[..])];
        add("zip", format!("scan-{deflate}.zip"), zipped(&one, deflate));
    }
    add("manifest", "manifest.json".to_owned(), MANIFEST.into());
    add("manifest", "weights.safetensors".to_owned(), weights());
    all
}

const MANIFEST: &str = r#"{"schema_version": 1, "models": [
{"name": "one", "file": "one.int8.safetensors", "bytes": 3,
"sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
"network": "normnet", "precision": "int8", "config": {"side": 64, "channels": [8, 16]},
"input": {"extent": [32, 64, 64], "spacing_mm": [2.5, 1.5, 1.5], "overlap": [8, 0, 0],
"peak_bytes": 1000, "largest_bytes": 100}, "thresholds": {"healthy": 0.5}, "temperature": 1.5,
"training": {"record": "models/RUNS.md#one", "seed": 7}}]}"#;

fn weights() -> Vec<u8> {
    let values: Vec<f32> = (0..24).map(|i| (i as f32 - 11.5) / 7.0).collect();
    let mut file = TensorFile::new("seed");
    let float = Stored::F32 {
        shape: vec![2, 3],
        data: values[..6].to_vec(),
    };
    file.tensors.insert("gamma".into(), float);
    let half = Stored::to_f16(&[4], &values[..4]);
    file.tensors.insert("beta".into(), half);
    let int8 = Int8::quantize(&[3, 4, 2], &values, 1).unwrap();
    file.tensors.insert("weight".into(), Stored::Int8(int8));
    file.to_bytes().unwrap()
}

/// A file of each transfer syntax with one slice and with all, files without preamble, and a folder.
fn dicoms(hu: &Volume<i16>) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for (name, syntax) in [
        ("implicit", uids::IMPLICIT_VR_LITTLE_ENDIAN),
        ("explicit", uids::EXPLICIT_VR_LITTLE_ENDIAN),
        ("big", "1.2.840.10008.1.2.2"),
        ("deflated", uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN),
        ("rle", uids::RLE_LOSSLESS),
        ("lossless", uids::JPEG_LOSSLESS_SV1),
    ] {
        let options = writer::Options {
            syntax,
            ..writer::Options::default()
        };
        let one = writer::file(writer::slice(hu, 0, &options), syntax);
        let many = writer::file(writer::enhanced(hu, &options), syntax);
        all.push((format!("{name}.dcm"), one));
        all.push((format!("{name}-enhanced.dcm"), many));
    }
    all.push(("jpeg.dcm".to_owned(), jpeg_in_dicom(hu)));
    let series = writer::series(hu, &writer::Options::default());
    let bare = series.first().and_then(|file| file.bytes.get(132..));
    all.push(("bare.dcm".to_owned(), bare.unwrap_or_default().to_vec()));
    let together = series.iter().flat_map(|file| file.bytes.to_vec());
    all.push(("series.dcm".to_owned(), together.collect()));
    all
}

fn jpeg_in_dicom(hu: &Volume<i16>) -> Vec<u8> {
    let options = writer::Options {
        stored: 8,
        high: 7,
        ..writer::Options::default()
    };
    let mut object = writer::slice(hu, 0, &options);
    writer::word(&mut object, tags::BITS_ALLOCATED, 8);
    let jpeg = encoded(&DynamicImage::ImageLuma8(grey(hu)), ImageFormat::Jpeg);
    let fragments = PixelFragmentSequence::new(Vec::<u32>::new(), vec![jpeg]);
    object.put(DataElement::new(tags::PIXEL_DATA, VR::OB, fragments));
    writer::file(object, uids::JPEG_BASELINE8_BIT)
}

fn grey(hu: &Volume<i16>) -> GrayImage {
    let [nx, ny, _] = hu.dims;
    GrayImage::from_fn(nx as u32, ny as u32, |x, y| {
        let voxel = hu.data[x as usize + nx * y as usize];
        Luma([(voxel / 16 + 128).clamp(0, 255) as u8])
    })
}

fn images(hu: &Volume<i16>) -> Vec<(String, Vec<u8>)> {
    let grey = grey(hu);
    let kinds = [
        (
            "rgb",
            DynamicImage::ImageLuma8(grey.clone()).to_rgb8().into(),
        ),
        (
            "deep",
            DynamicImage::ImageLuma8(grey.clone()).to_luma16().into(),
        ),
        ("grey", DynamicImage::ImageLuma8(grey)),
    ];
    let mut all = Vec::new();
    for (name, picture) in kinds {
        let png = encoded(&picture, ImageFormat::Png);
        all.push((format!("{name}.png"), png));
        if name != "deep" {
            let jpeg = encoded(&picture, ImageFormat::Jpeg);
            all.push((format!("{name}.jpg"), jpeg));
        }
    }
    all
}

fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    picture.write_to(&mut out, format).unwrap();
    out.into_inner()
}

fn zipped(files: &[(&str, &[u8])], deflate: bool) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let method = match deflate {
        true => zip::CompressionMethod::Deflated,
        false => zip::CompressionMethod::Stored,
    };
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in files {
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// NIfTI-2 in either byte order, placed by its sform; offsets from `nifti2.h`.
fn nifti2(hu: &Volume<i16>, big: bool) -> Vec<u8> {
    const DATA_AT: usize = 544;
    let mut out = vec![0; DATA_AT];
    let mut put = |at: usize, little: &[u8]| {
        let place = &mut out[at..at + little.len()];
        place.copy_from_slice(little);
        if big {
            place.reverse();
        }
    };
    put(0, &540_i32.to_le_bytes());
    put(12, &4_i16.to_le_bytes());
    put(14, &16_i16.to_le_bytes());
    let [nx, ny, nz] = hu.dims.map(|n| n as i64);
    for (n, value) in [3, nx, ny, nz, 1, 1, 1, 1].into_iter().enumerate() {
        put(16 + 8 * n, &value.to_le_bytes());
    }
    put(168, &(DATA_AT as i64).to_le_bytes());
    put(176, &1_f64.to_le_bytes());
    put(348, &1_i32.to_le_bytes());
    for (n, value) in hu.affine.0.iter().flatten().enumerate() {
        put(400 + 8 * n, &value.to_le_bytes());
    }
    put(500, &2_i32.to_le_bytes());
    out[4..12].copy_from_slice(b"n+2\0\r\n\x1a\n");
    let voxel = |v: &i16| {
        if big {
            v.to_be_bytes()
        } else {
            v.to_le_bytes()
        }
    };
    out.extend(hu.data.iter().flat_map(voxel));
    out
}

/// The header of a volume, and its voxels behind it.
fn with_voxels(header: String, voxels: Vec<u8>) -> Vec<u8> {
    header.into_bytes().into_iter().chain(voxels).collect()
}

fn little(hu: &Volume<i16>) -> Vec<u8> {
    hu.data.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// A scan in NRRD, gzipped or raw.
pub fn nrrd(hu: &Volume<i16>, gz: bool) -> Vec<u8> {
    let [nx, ny, nz] = hu.dims;
    let axis = |c: usize| {
        let [x, y, z] = hu.affine.0.map(|row| row[c]);
        format!("({x},{y},{z})")
    };
    let [i, j, k, origin] = [0, 1, 2, 3].map(axis);
    let (encoding, voxels) = match gz {
        true => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(&little(hu)).unwrap();
            ("gzip", encoder.finish().unwrap())
        }
        false => ("raw", little(hu)),
    };
    let header = format!(
        "NRRD0004\ntype: int16\ndimension: 3\nspace: right-anterior-superior\n\
         sizes: {nx} {ny} {nz}\nspace directions: {i} {j} {k}\nspace origin: {origin}\n\
         endian: little\nencoding: {encoding}\n\n"
    );
    with_voxels(header, voxels)
}

/// A scan in MetaImage, compressed or raw.
pub fn metaimage(hu: &Volume<i16>, compressed: bool) -> Vec<u8> {
    let [nx, ny, nz] = hu.dims;
    let spacing = hu.spacing();
    let axis = |c: usize, by: f64| {
        let [x, y, z] = hu.affine.0.map(|row| row[c] / by);
        format!("{} {} {z}", -x, -y)
    };
    let [i, j, k] = [0, 1, 2].map(|c| axis(c, spacing[c]));
    let [x, y, z] = spacing;
    let (packing, voxels) = match compressed {
        true => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(&little(hu)).unwrap();
            let packed = encoder.finish().unwrap();
            let size = packed.len();
            let lines = format!("CompressedData = True\nCompressedDataSize = {size}\n");
            (lines, packed)
        }
        false => (String::new(), little(hu)),
    };
    let header = format!(
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n\
         {packing}TransformMatrix = {i} {j} {k}\nOffset = {}\nElementSpacing = {x} {y} {z}\n\
         DimSize = {nx} {ny} {nz}\nElementType = MET_SHORT\nElementDataFile = LOCAL\n",
        axis(3, 1.0)
    );
    with_voxels(header, voxels)
}
