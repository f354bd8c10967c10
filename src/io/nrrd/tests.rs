#![allow(clippy::unwrap_used)]

use super::*;
use crate::io::testing::{assert_close, gzip, mutations, oblique, volume};
use crate::io::{Warning, open};
use crate::volume::Volume;

/// A NRRD file of a volume in the given space, whose axes have `signs` against RAS.
fn write(v: &Volume<i16>, space: &str, signs: [f64; 3], encoding: &str, big: bool) -> Vec<u8> {
    let axis = |c: usize| {
        let [x, y, z] = [0, 1, 2].map(|r| v.affine.0[r][c] * signs[r]);
        format!("({x},{y},{z})")
    };
    let [nx, ny, nz] = v.dims;
    let endian = if big { "big" } else { "little" };
    let [a, b, c, o] = [0, 1, 2, 3].map(axis);
    let mut file = format!(
        "NRRD0005\n# a comment\ntype: short\ndimension: 3\nspace: {space}\nsizes: {nx} {ny} {nz}\n\
         space directions: {a} {b} {c}\nkinds: domain domain domain\nendian: {endian}\n\
         encoding: {encoding}\nspace origin: {o}\nname:=somebody\n\n"
    )
    .into_bytes();
    let voxels: Vec<u8> = v
        .data
        .iter()
        .flat_map(|x| {
            if big {
                x.to_be_bytes()
            } else {
                x.to_le_bytes()
            }
        })
        .collect();
    file.extend(if encoding == "raw" {
        voxels
    } else {
        gzip(&voxels)
    });
    file
}

fn lps(v: &Volume<i16>, encoding: &str) -> Vec<u8> {
    write(
        v,
        "left-posterior-superior",
        [-1.0, -1.0, 1.0],
        encoding,
        false,
    )
}

fn opened(bytes: &[u8]) -> Result<Scan, IoError> {
    read("scan.nrrd", bytes, &Limits::default())
}

#[test]
fn spaces_encodings_and_byte_orders_give_the_same_volume() {
    let v = volume(oblique());
    for (space, signs) in [
        ("left-posterior-superior", [-1.0, -1.0, 1.0]),
        ("LPS", [-1.0, -1.0, 1.0]),
        ("RAS", [1.0, 1.0, 1.0]),
        ("left-anterior-superior", [-1.0, 1.0, 1.0]),
    ] {
        for encoding in ["raw", "gzip", "gz"] {
            for big in [false, true] {
                let scan = opened(&write(&v, space, signs, encoding, big)).unwrap();
                assert_eq!((scan.hu.dims, &scan.hu.data), (v.dims, &v.data));
                assert_close(&scan.hu.affine, &v.affine, 1e-9);
                assert!(!scan.warnings.contains(&Warning::NoOrientation));
            }
        }
    }
}

#[test]
fn the_content_decides() {
    let v = volume(oblique());
    let input = open("scan.nii.gz", &lps(&v, "gzip"), &Limits::default()).unwrap();
    assert!(matches!(input, crate::io::Input::Volume(scan) if scan.hu.data == v.data));
}

#[test]
fn every_number_type_opens() {
    let cases: [(&str, Vec<u8>); 6] = [
        ("uchar", vec![0, 1, 2, 255]),
        ("signed char", vec![0, 1, 2, 255]),
        (
            "ushort",
            [0_u16, 1, 2, 65535].map(u16::to_le_bytes).concat(),
        ),
        ("int", [0_i32, 1, 2, -70000].map(i32::to_le_bytes).concat()),
        (
            "float",
            [0_f32, 1.4, 1.5, f32::NAN].map(f32::to_le_bytes).concat(),
        ),
        (
            "double",
            [0_f64, 0.6, 2.0, -1e300].map(f64::to_le_bytes).concat(),
        ),
    ];
    let expected = [
        [0, 1, 2, 255],
        [0, 1, 2, -1],
        [0, 1, 2, i16::MAX],
        [0, 1, 2, i16::MIN],
        [0, 1, 2, -1024],
        [0, 1, 2, i16::MIN],
    ];
    for ((name, bytes), expected) in cases.into_iter().zip(expected) {
        let mut file = format!(
            "NRRD0004\ntype: {name}\ndimension: 2\nsizes: 2 2\nendian: little\nencoding: raw\n\
             spacings: 2 3\n\n"
        )
        .into_bytes();
        file.extend(bytes);
        let scan = opened(&file).unwrap();
        assert_eq!(scan.hu.data, expected, "{name}");
        assert_eq!(scan.hu.dims, [2, 2, 1]);
        assert!(scan.warnings.contains(&Warning::NoOrientation), "{name}");
        assert!(scan.warnings.contains(&Warning::NoVoxelSize), "{name}");
    }
}

#[test]
fn broken_fields_are_named() {
    let v = volume(oblique());
    let file = lps(&v, "raw");
    let header = String::from_utf8_lossy(&file);
    let header = header.split("\n\n").next().unwrap().to_owned();
    for (from, to, says) in [
        ("type: short", "type: block", "type"),
        ("sizes: 5 4 3", "sizes: 5 0 3", "sizes"),
        ("sizes: 5 4 3", "sizes: 5 -4 3", "sizes"),
        ("sizes: 5 4 3", "sizes: 99999 4 3", "sizes"),
        ("sizes: 5 4 3", "sizes: 5", "sizes"),
        ("sizes: 5 4 3", "sizes: 5 4 3 7", "7 volumes"),
        ("sizes: 5 4 3", "sizes: 30000 30000 30000", "too large"),
        ("sizes: 5 4 3", "sizes: 500 400 3", "ends early"),
        ("encoding: raw", "encoding: bzip2", "encoding"),
        ("endian: little", "endian: middle", "endian"),
        (
            "space directions: (",
            "space directions: (nan,",
            "space directions",
        ),
        ("space origin: (", "space origin: (x,", "space origin"),
        ("kinds: domain", "data file: other.raw", "another file"),
        ("kinds: domain", "byte skip: -1", "byte skip"),
    ] {
        assert!(header.contains(from), "{from}");
        let mut file = header.replace(from, to).into_bytes();
        file.extend(b"\n\n");
        file.extend(vec![0; 120]);
        let text = opened(&file).unwrap_err().to_string();
        assert!(
            text.contains(says) && text.contains("scan.nrrd"),
            "{to}: {text}"
        );
    }
}

#[test]
fn cuts_and_bombs_give_errors() {
    let v = volume(oblique());
    for encoding in ["raw", "gzip"] {
        let whole = lps(&v, encoding);
        // The end of a gzip stream is a checksum, which nobody needs to read the voxels.
        const CHECKED: usize = 24;
        for cut in 0..whole.len() - CHECKED {
            assert!(opened(&whole[..cut]).is_err(), "{encoding} cut at {cut}");
        }
        mutations(&whole, |bytes| drop(opened(bytes)));
    }
    // A small file that says it is huge.
    let mut bomb = b"NRRD0005\ntype: short\ndimension: 3\nsizes: 1000 1000 1000\nendian: little\n\
                     encoding: gzip\n\n"
        .to_vec();
    bomb.extend(gzip(&vec![0; 1 << 16]));
    let error = opened(&bomb).unwrap_err();
    assert!(matches!(error, IoError::Truncated { .. }), "{error}");
    // A header without an end.
    let endless = [&b"NRRD0005\n"[..], &b"a: b\n".repeat(1 << 19)].concat();
    assert!(opened(&endless).is_err());
}
