#![allow(clippy::unwrap_used)]

use std::io::Read;

use ::nifti::{NiftiHeader, NiftiType};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::io::Warning;
use crate::io::testing::{assert_close, gzip, oblique, volume};
use crate::volume::Affine;

const HEADER: usize = 352;

fn open(bytes: &[u8]) -> Result<Scan, IoError> {
    read("scan.nii", bytes, &Limits::default())
}

fn put<const N: usize>(file: &mut [u8], at: usize, bytes: [u8; N]) {
    file[at..at + N].copy_from_slice(&bytes);
}

/// A file of `voxels` (little endian bytes) with another datatype.
fn with_datatype(code: i16, voxels: &[u8]) -> Vec<u8> {
    let mut file = write_hu(&volume(oblique()), false);
    file.truncate(HEADER);
    put(&mut file, 70, code.to_le_bytes());
    file.extend_from_slice(voxels);
    file
}

#[test]
fn hu_and_labels_come_back() {
    let v = volume(oblique());
    let labels = v.like((0..60).map(|n| n * 4).collect()).unwrap();
    for gz in [false, true] {
        let scan = open(&write_hu(&v, gz)).unwrap();
        assert_eq!((scan.hu.dims, &scan.hu.data), (v.dims, &v.data));
        assert_close(&scan.hu.affine, &v.affine, 1e-5);

        let bytes = write_labels(&labels, gz);
        let back = read_labels("mask.nii", &bytes, &Limits::default()).unwrap();
        assert_eq!((back.dims, &back.data), (labels.dims, &labels.data));
        // What is read is written again without loss.
        assert_eq!(write_labels(&back, gz), bytes);
    }
}

#[test]
fn written_headers_are_standard() {
    let bytes = write_labels(&volume(oblique()).like(vec![1_u8; 60]).unwrap(), false);
    let h = NiftiHeader::from_reader(&bytes[..]).unwrap();
    assert_eq!(h.dim().unwrap(), [5, 4, 3]);
    assert_eq!(h.data_type().unwrap(), NiftiType::Uint8);
    assert_eq!((h.sizeof_hdr, h.bitpix, h.vox_offset), (348, 8, 352.0));
    assert_eq!((h.qform_code, h.sform_code, h.xyzt_units), (1, 1, 2));
    assert_eq!((h.scl_slope, h.scl_inter), (1.0, 0.0));
    let expected = [0.8, 0.75, 2.5];
    assert!((0..3).all(|a| (h.pixdim[a + 1] - expected[a]).abs() < 1e-6));
    assert_eq!(bytes.len(), HEADER + 60);
}

#[test]
fn qform_says_the_same_as_sform_in_every_direction() {
    let mut affines = vec![oblique(), Affine::from_spacing([0.7, 0.8, 2.5])];
    // All signed permutations (half turns, mirrored ones) of an oblique grid and of a straight one.
    for base in affines.clone() {
        for order in [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ] {
            for signs in 0..8 {
                affines.push(Affine(base.0.map(|row| {
                    let pick = |a: usize| row[order[a]] * [1.0, -1.0][signs >> a & 1];
                    [pick(0), pick(1), pick(2), row[3]]
                })));
            }
        }
    }
    // General rotations, with every sign of every quaternion component.
    let mut rng = StdRng::seed_from_u64(3);
    for _ in 0..200 {
        let random = Affine(std::array::from_fn(|_| {
            std::array::from_fn(|_| rng.random_range(-1.0..1.0))
        }));
        let written = write_hu(&volume(random), false);
        let mut only_qform = written.clone();
        put(&mut only_qform, 254, 0_i16.to_le_bytes());
        // Of a sheared grid the qform keeps what it can: the sizes of the voxels and the offset.
        let q = open(&only_qform).unwrap().hu.affine;
        assert!((0..3).all(|a| (q.spacing()[a] - random.spacing()[a]).abs() < 1e-5));
        affines.push(q);
    }
    for affine in affines {
        let mut file = write_hu(&volume(affine), false);
        put(&mut file, 254, 0_i16.to_le_bytes());
        let scan = open(&file).unwrap();
        // Near a half turn, a = √(1 - b² - c² - d²) of float32 numbers is good to 5e-4.
        assert_close(&scan.hu.affine, &affine, 4e-3);
        assert!(!scan.warnings.contains(&Warning::NoOrientation));
    }
}

#[test]
fn sform_wins_over_qform_and_neither_warns() {
    let mut file = write_hu(&volume(oblique()), false);
    put(&mut file, 268, 999_f32.to_le_bytes()); // quatern_x
    assert_close(&open(&file).unwrap().hu.affine, &oblique(), 1e-5);

    put(&mut file, 254, 0_i16.to_le_bytes());
    assert_eq!(open(&file).unwrap().hu.affine.0[0][3], 999.0);

    put(&mut file, 252, 0_i16.to_le_bytes());
    let scan = open(&file).unwrap();
    let plain = Affine::scale_offset([0.8, 0.75, 2.5], [0.0; 3]);
    assert_close(&scan.hu.affine, &plain, 1e-6);
    assert!(scan.warnings.contains(&Warning::NoOrientation));
    assert!(!scan.warnings.contains(&Warning::NoVoxelSize));

    put(&mut file, 80, 0_f32.to_le_bytes()); // pixdim[1]
    let scan = open(&file).unwrap();
    assert_eq!(scan.hu.spacing(), [1.0; 3]);
    assert!(scan.warnings.contains(&Warning::NoVoxelSize));
}

#[test]
fn a_flat_sform_falls_back() {
    let mut file = write_hu(&volume(oblique()), false);
    file[280..328].fill(0);
    assert_close(&open(&file).unwrap().hu.affine, &oblique(), 1e-5);
    file[280..328].fill(0xff); // NaN
    assert_close(&open(&file).unwrap().hu.affine, &oblique(), 1e-5);
}

#[test]
fn lengths_in_other_units_become_mm() {
    for (unit, mm) in [(1, 1000.0), (2, 1.0), (3, 0.001), (0, 1.0)] {
        let mut file = write_hu(&volume(oblique()), false);
        file[123] = unit;
        let spacing = open(&file).unwrap().hu.spacing();
        assert!((spacing[2] / mm - 2.5).abs() < 1e-6);
    }
}

#[test]
fn every_real_datatype_reads_in_both_byte_orders() {
    macro_rules! case {
        ($code:literal, $type:ty, $values:expr, $expected:expr) => {{
            let values: [$type; 3] = $values;
            let expected: [i16; 3] = $expected;
            let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            let mut little = with_datatype($code, &bytes);
            put(&mut little, 42, 3_i16.to_le_bytes());
            put(&mut little, 44, 1_i16.to_le_bytes());
            put(&mut little, 46, 1_i16.to_le_bytes());
            let mut big = swapped(&little[..HEADER]);
            big.extend(values.iter().flat_map(|v| v.to_be_bytes()));
            for file in [&little, &big, &gzip(&big), &to_version2(&little, false)] {
                let scan = open(file).unwrap();
                assert_eq!(scan.hu.data, expected, "datatype {}", $code);
                assert_close(&scan.hu.affine, &oblique(), 1e-5);
                let eight = scan.warnings.contains(&Warning::EightBit);
                assert_eq!(eight, size_of::<$type>() == 1);
            }
            let mut version2 = to_version2(&little, true);
            version2.truncate(544);
            version2.extend(values.iter().flat_map(|v| v.to_be_bytes()));
            assert_eq!(open(&version2).unwrap().hu.data, expected);
        }};
    }
    const LOW: i16 = i16::MIN;
    const HIGH: i16 = i16::MAX;
    case!(2, u8, [0, 7, 255], [0, 7, 255]);
    case!(4, i16, [LOW, -1024, HIGH], [LOW, -1024, HIGH]);
    case!(8, i32, [-70_000, -5, 70_000], [LOW, -5, HIGH]);
    case!(16, f32, [-600.5, f32::NAN, 1e30], [-601, -1024, HIGH]);
    case!(64, f64, [-0.4, 0.5, f64::NEG_INFINITY], [0, 1, LOW]);
    case!(256, i8, [-128, 0, 127], [-128, 0, 127]);
    case!(512, u16, [0, 40_000, 65_535], [0, HIGH, HIGH]);
    case!(768, u32, [0, 3, u32::MAX], [0, 3, HIGH]);
    case!(1024, i64, [i64::MIN, -3, i64::MAX], [LOW, -3, HIGH]);
    case!(1280, u64, [0, 3, u64::MAX], [0, 3, HIGH]);
}

/// A little-endian NIfTI-1 header in big endian.
fn swapped(little: &[u8]) -> Vec<u8> {
    let mut big = little.to_vec();
    let mut swap = |from: usize, size: usize, count: usize| {
        for field in big[from..from + size * count].chunks_exact_mut(size) {
            field.reverse();
        }
    };
    swap(0, 4, 1); // sizeof_hdr
    swap(40, 2, 8); // dim
    swap(56, 4, 3); // intent_p
    swap(68, 2, 4); // intent_code to slice_start
    swap(76, 4, 8); // pixdim
    swap(108, 4, 3); // vox_offset, scl_slope, scl_inter
    swap(120, 2, 1); // slice_end
    swap(124, 4, 6); // cal_max to glmin
    swap(252, 2, 2); // qform_code, sform_code
    swap(256, 4, 18); // quatern, qoffset, srow
    big
}

/// The same file as NIfTI-2; of a big-endian one only the header is turned.
fn to_version2(file: &[u8], big: bool) -> Vec<u8> {
    let h = NiftiHeader::from_reader(file).unwrap();
    let mut out = vec![0_u8; 544];
    let mut field = |at: usize, mut bytes: Vec<u8>| {
        if big {
            bytes.reverse();
        }
        out[at..at + bytes.len()].copy_from_slice(&bytes);
    };
    field(0, 540_i32.to_le_bytes().to_vec());
    field(12, h.datatype.to_le_bytes().to_vec());
    for n in 0..8 {
        field(16 + 8 * n, i64::from(h.dim[n]).to_le_bytes().to_vec());
        field(104 + 8 * n, f64::from(h.pixdim[n]).to_le_bytes().to_vec());
    }
    field(168, 544_i64.to_le_bytes().to_vec());
    field(176, f64::from(h.scl_slope).to_le_bytes().to_vec());
    field(344, i32::from(h.qform_code).to_le_bytes().to_vec());
    field(348, i32::from(h.sform_code).to_le_bytes().to_vec());
    for (r, row) in [h.srow_x, h.srow_y, h.srow_z].into_iter().enumerate() {
        for (c, value) in row.into_iter().enumerate() {
            field(
                400 + 32 * r + 8 * c,
                f64::from(value).to_le_bytes().to_vec(),
            );
        }
    }
    field(500, 2_i32.to_le_bytes().to_vec());
    out[4..12].copy_from_slice(b"n+2\0\r\n\x1a\n");
    out.extend_from_slice(&file[HEADER..]);
    out
}

#[test]
fn other_datatypes_are_refused_by_name() {
    for (code, named) in [
        (32, "complex64"),
        (128, "RGB"),
        (2304, "RGBA"),
        (77, "unknown"),
    ] {
        let error = open(&with_datatype(code, &[0; 4096])).unwrap_err();
        assert!(matches!(error, IoError::Datatype { .. }));
        assert!(error.to_string().contains(named), "{error}");
    }
}

#[test]
fn scaling_is_applied_where_there_is_one() {
    let scaled = |slope: f32, inter: f32| {
        let mut file = with_datatype(512, &[]);
        put(&mut file, 112, slope.to_le_bytes());
        put(&mut file, 116, inter.to_le_bytes());
        file.extend((0..60_u16).flat_map(|n| (n * 10).to_le_bytes()));
        open(&file).unwrap().hu.data[3]
    };
    assert_eq!(scaled(1.0, -1024.0), -994);
    assert_eq!(scaled(0.5, 0.25), 15);
    assert_eq!(scaled(0.0, -1024.0), 30);
    assert_eq!(scaled(f32::NAN, -1024.0), 30);
    assert_eq!(scaled(2.0, f32::NAN), 60);
}

#[test]
fn flat_files_and_trailing_ones_open_and_series_do_not() {
    let dims = |dim: [i16; 8]| {
        let mut file = write_hu(&volume(oblique()), false);
        for (n, size) in dim.into_iter().enumerate() {
            put(&mut file, 40 + 2 * n, size.to_le_bytes());
        }
        open(&file)
    };
    assert_eq!(dims([2, 5, 4, 9, 9, 9, 9, 9]).unwrap().hu.dims, [5, 4, 1]);
    assert_eq!(dims([7, 5, 4, 3, 1, 1, 0, 1]).unwrap().hu.dims, [5, 4, 3]);
    let error = dims([5, 5, 4, 1, 3, 2, 1, 1]).unwrap_err();
    assert!(
        matches!(error, IoError::Series { volumes: 6, .. }),
        "{error}"
    );
    for bad in [
        [0, 5, 4, 3, 1, 1, 1, 1],
        [8, 5, 4, 3, 1, 1, 1, 1],
        [3, 5, 0, 3, 1, 1, 1, 1],
        [3, 5, 4, -3, 1, 1, 1, 1],
        [4, 5, 4, 3, -1, 1, 1, 1],
    ] {
        let error = dims(bad).unwrap_err();
        assert!(matches!(error, IoError::Header { .. }), "{bad:?}: {error}");
    }
}

#[test]
fn voxels_begin_where_the_header_says() {
    let v = volume(oblique());
    let file = write_hu(&v, false);
    let mut extended = file[..HEADER].to_vec();
    put(&mut extended, 108, 368_f32.to_le_bytes());
    extended.extend_from_slice(&[9; 16]);
    extended.extend_from_slice(&file[HEADER..]);
    assert_eq!(open(&extended).unwrap().hu.data, v.data);
    assert_eq!(open(&gzip(&extended)).unwrap().hu.data, v.data);

    let mut zero = file.clone();
    put(&mut zero, 108, 0_f32.to_le_bytes());
    assert_eq!(open(&zero).unwrap().hu.data, v.data);
    for bad in [-352.0, 100.0, 352.5, f32::NAN, f32::INFINITY] {
        let mut file = file.clone();
        put(&mut file, 108, bad.to_le_bytes());
        let error = open(&file).unwrap_err();
        assert!(error.to_string().contains("vox_offset"), "{error}");
    }
}

#[test]
fn files_that_end_early_say_so() {
    let v = volume(oblique());
    let file = write_hu(&v, false);
    for cut in [4, 100, 347, 348, 351, 352, file.len() - 1] {
        let error = open(&file[..cut]).unwrap_err();
        assert!(matches!(error, IoError::Truncated { .. }), "{cut}: {error}");
        let error = open(&gzip(&file[..cut])).unwrap_err();
        assert!(
            matches!(error, IoError::Truncated { .. }),
            "gz {cut}: {error}"
        );
    }
    let packed = gzip(&file);
    for cut in 2..packed.len() {
        match open(&packed[..cut]) {
            Err(IoError::Truncated { .. }) => {}
            // All voxels are there; what is cut is the end mark, the checksum and the length.
            Ok(scan) => assert!(scan.hu.data == v.data && cut >= packed.len() - 10, "{cut}"),
            Err(error) => panic!("{cut}: {error}"),
        }
    }
}

#[test]
fn large_claims_are_refused_before_memory_is_asked_for() {
    let mut file = write_hu(&volume(oblique()), false);
    for at in [42, 44, 46] {
        put(&mut file, at, i16::MAX.to_le_bytes());
    }
    let error = open(&file).unwrap_err();
    assert!(
        error.to_string().contains("32767 × 32767 × 32767"),
        "{error}"
    );

    // Within the limits, but more than a gzip file of this size can hold.
    for at in [42, 44, 46] {
        put(&mut file, at, 1000_i16.to_le_bytes());
    }
    let error = open(&gzip(&file)).unwrap_err();
    assert!(
        matches!(
            error,
            IoError::Truncated {
                needed: 2_000_000_352,
                ..
            }
        ),
        "{error}"
    );

    let few = Limits {
        max_bytes: 400,
        ..Limits::default()
    };
    let error = read("a.nii", &write_hu(&volume(oblique()), true), &few).unwrap_err();
    assert!(error.to_string().contains("472 bytes"), "{error}");
}

#[test]
fn a_gzip_bomb_stays_packed() {
    let v = volume(oblique());
    let mut bomb = write_hu(&v, false);
    bomb.resize(64 << 20, 0);
    let packed = gzip(&bomb);
    let mut source = Source::new("bomb", &packed).unwrap();
    let mut file = Opened::new("bomb", &packed, &Limits::default()).unwrap();
    assert_eq!(file.voxels(to_hu).unwrap(), v.data);
    // The voxels and the one byte that looks for the end.
    assert_eq!(file.source.position(), 352 + 120 + 1);
    source.skip_to(u64::MAX).unwrap();
    assert_eq!(source.position(), 64 << 20);
}

#[test]
fn gzip_members_join_and_damage_shows() {
    let v = volume(oblique());
    let file = write_hu(&v, false);
    let mut joined = gzip(&file[..100]);
    joined.extend(gzip(&[]));
    joined.extend(gzip(&file[100..]));
    joined.extend([0; 512]);
    assert_eq!(open(&joined).unwrap().hu.data, v.data);

    let mut wrong_sum = gzip(&file);
    let at = wrong_sum.len() - 8;
    wrong_sum[at] ^= 1;
    let error = open(&wrong_sum).unwrap_err();
    assert!(matches!(error, IoError::Unpack { .. }), "{error}");
}

#[test]
fn other_content_is_named_inside_gzip_too() {
    let error = open(&gzip(b"NRRD0004\n")).unwrap_err();
    assert!(
        error.to_string().contains("gzip data with an NRRD file"),
        "{error}"
    );
    let error = open(&gzip(&[])).unwrap_err();
    assert!(matches!(error, IoError::Truncated { .. }), "{error}");
    let mut pair = write_hu(&volume(oblique()), false);
    put(&mut pair, 344, *b"ni1\0");
    let error = open(&pair).unwrap_err();
    assert!(matches!(error, IoError::DetachedData { .. }), "{error}");
}

#[test]
fn labels_have_to_be_labels() {
    let labels = |values: [f32; 2]| {
        let mut file = with_datatype(16, &[]);
        for (at, n) in [(42, 2_i16), (44, 1), (46, 1)] {
            put(&mut file, at, n.to_le_bytes());
        }
        file.extend(values.iter().flat_map(|v| v.to_le_bytes()));
        read_labels("mask.nii", &file, &Limits::default()).map(|v| v.data)
    };
    assert_eq!(labels([-0.4, 255.2]).unwrap(), [0, 255]);
    assert_eq!(labels([0.9999, 2.0]).unwrap(), [1, 2]);
    for bad in [[-1.0, 0.0], [0.0, 256.0], [f32::NAN, 0.0]] {
        let error = labels(bad).unwrap_err();
        assert!(matches!(error, IoError::NotLabels { .. }), "{error}");
    }
}

#[test]
fn no_bytes_make_it_panic() {
    let v = volume(oblique());
    let plain = write_hu(&v, false);
    let seeds = [
        plain.clone(),
        swapped(&plain),
        to_version2(&plain, false),
        to_version2(&plain, true),
        write_hu(&v, true),
    ];
    // Values that break careless arithmetic, in the width of a dim, an int, a float.
    let nasty: [&[u8]; 8] = [
        &[0xff, 0x7f],
        &[0xff, 0xff],
        &[0x00, 0x80],
        &[0xff; 4],
        &[0, 0, 0x80, 0x7f],
        &[0, 0, 0xc0, 0x7f],
        &[0xff; 8],
        &[0, 0, 0, 0, 0, 0, 0xf0, 0x7f],
    ];
    let limits = Limits {
        max_voxels: 1 << 20,
        max_bytes: 1 << 22,
    };
    let mut rng = StdRng::seed_from_u64(1);
    let (mut opened, mut refused) = (0, 0);
    for round in 0..20_000 {
        let mut file = seeds[round % seeds.len()].clone();
        for _ in 0..rng.random_range(1..6) {
            // Mostly the header, where a byte matters.
            let at = rng.random_range(0..file.len().min(600));
            if rng.random_bool(0.5) {
                file[at] = rng.random();
            } else {
                let bytes = nasty[rng.random_range(0..nasty.len())];
                let end = (at + bytes.len()).min(file.len());
                file[at..end].copy_from_slice(&bytes[..end - at]);
            }
        }
        if rng.random_bool(0.2) {
            file.truncate(rng.random_range(0..file.len()));
        }
        for bytes in [gzip(&file), file] {
            match read("fuzz", &bytes, &limits) {
                Ok(scan) => {
                    opened += 1;
                    assert_eq!(scan.hu.len(), scan.hu.dims.iter().product::<usize>());
                    let (lps, back) = scan.hu.clone().into_lps();
                    assert_eq!(back.restore(&lps).unwrap().data, scan.hu.data);
                }
                Err(error) => {
                    refused += 1;
                    assert!(error.to_string().contains("fuzz"));
                }
            }
            let _ = read_labels("fuzz", &bytes, &limits);
        }
    }
    assert!(opened > 1000 && refused > 1000, "{opened}, {refused}");
}

#[test]
fn real_scans_open_as_lps() {
    let Some(root) = std::env::var_os("PLEURA_DATA") else {
        println!("skipped: PLEURA_DATA is not set");
        return;
    };
    let root = std::path::PathBuf::from(root);
    for name in ["ct/normal001", "ct/lowerlungs", "ct_labelled/case1_ct"] {
        let path = root.join(format!("{name}.nii.gz"));
        let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let scan = open(&bytes).unwrap();
        assert_eq!(scan.hu.affine.orientation(), "LPS", "{name}");
        assert_eq!(scan.hu.clone().into_lps().0, scan.hu, "{name}");
        let not_hu = |w: &Warning| matches!(w, Warning::NotHu { .. } | Warning::Empty);
        assert!(
            !scan.warnings.iter().any(not_hu),
            "{name}: {:?}",
            scan.warnings
        );

        // The voxels as they lie in the file, read without this module's code.
        let mut raw = Vec::new();
        flate2::read::MultiGzDecoder::new(&bytes[..])
            .read_to_end(&mut raw)
            .unwrap();
        let h = NiftiHeader::from_reader(&raw[..]).unwrap();
        assert_eq!((h.datatype, h.vox_offset), (4, 352.0), "{name}");
        let (pairs, _) = raw[HEADER..].as_chunks::<2>();
        assert!(
            pairs
                .iter()
                .map(|b| i16::from_le_bytes(*b))
                .eq(scan.hu.data.iter().copied())
        );
    }
}
