//! The networks, loaded and ready on one device.

use crate::infnet::classes::{self, ClassesBy, ClassesConfig};
use crate::infnet::slices::{self, Look, Orientation};
use crate::infnet::{InfNet, InfNetConfig};
use crate::lungs::network::LungNetwork;
use crate::nn::kernels::Kernels;
use crate::nn::params::load;
use crate::nn::unet::UNet;
use crate::nn::{Builder, Form};
use crate::normnet::model::{NormNet, NormNetConfig};
use crate::plane::Plane;
use crate::weights::tensors::TensorFile;
use crate::weights::{Entry, Network, Precision, WeightsError};
use burn::tensor::activation::sigmoid;
use burn::tensor::backend::ExecutionError;
use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// What can go wrong while networks are loaded or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A weight file is not what the manifest promises.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A network that a step needs has not been loaded.
    #[error("{network} is not loaded: load its weights first")]
    NotLoaded {
        /// The network.
        network: &'static str,
    },
    /// A network does not fit the memory that it may take.
    #[error(
        "{model} needs {needs} MB {what}, and {limit} MB are allowed: raise the limit, or run elsewhere"
    )]
    Memory {
        /// The model.
        model: String,
        /// At the peak, or for the largest buffer.
        what: &'static str,
        /// MB needed.
        needs: u64,
        /// MB allowed.
        limit: u64,
    },
    /// The device gave no result.
    #[error("the device stopped answering: {problem}; try again, or run on the CPU")]
    Device {
        /// What the device says.
        problem: String,
    },
    /// A network has no intermediate tensor of that name.
    #[error("{network} has no tensor called {name}: it has {known}")]
    Tap {
        /// The network.
        network: &'static str,
        /// The name that was asked for.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// The input does not have the shape that the network takes.
    #[error("{network} takes {expected} values at once, not {found}")]
    Input {
        /// The network.
        network: &'static str,
        /// Values that it takes.
        expected: usize,
        /// Values given.
        found: usize,
    },
}

/// What is to be run on a tile's input; crosses between workers as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Task {
    /// One NormNet model on a slab of intensities: f32 in the machine's byte order.
    Slab {
        /// Name of the model.
        model: String,
    },
    /// Inf-Net on a grey slice, a byte a pixel, and the classes of what it finds.
    Slice {
        /// Width and height.
        size: [usize; 2],
        /// [`Look`]s to average over, 1 to 8.
        looks: usize,
        /// What tells the classes apart.
        classes: ClassesBy,
    },
}

/// An intermediate tensor of a network, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Tapped {
    /// Its name, one of [`InfNet::forward_tapped`]'s.
    pub name: String,
    /// Its extents, the batch of one first.
    pub shape: Vec<usize>,
    /// Its values.
    pub values: Vec<f32>,
}

struct LoadedInfNet<B: Kernels> {
    net: InfNet<B>,
    side: usize,
    temperature: f64,
}

/// What Inf-Net says of one slice: square planes of the network's side.
pub struct SliceResult {
    /// Infection probability × 255.
    pub probability: Vec<u8>,
    /// 1 ground glass, 2 consolidation; empty where there is no infection.
    pub classes: Vec<u8>,
}

/// What networks may take of the device's memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// While one tile runs.
    pub total: u64,
    /// For one buffer.
    pub buffer: u64,
}

impl Default for Budget {
    /// 1 GiB in all, and 128 MiB for a buffer, which WebGPU promises everywhere.
    fn default() -> Self {
        Budget {
            total: 1 << 30,
            buffer: 128 << 20,
        }
    }
}

impl Budget {
    /// Refuses a model that is known to need more.
    fn check(&self, entry: &Entry) -> Result<(), EngineError> {
        let mb = |bytes: u64| bytes.div_ceil(1 << 20);
        for (needs, limit, what) in [
            (entry.input.peak_bytes, self.total, "at its peak"),
            (entry.input.largest_bytes, self.buffer, "in one buffer"),
        ] {
            if let Some(needs) = needs.filter(|&needs| needs > limit) {
                return Err(EngineError::Memory {
                    model: entry.name.clone(),
                    what,
                    needs: mb(needs),
                    limit: mb(limit),
                });
            }
        }
        Ok(())
    }
}

/// Networks on a device of the backend `B`.
pub struct Engine<B: Kernels> {
    device: B::Device,
    infnet: Option<LoadedInfNet<B>>,
    classes: Option<(UNet<B>, usize)>,
    normnets: Vec<(String, NormNet<B>, [usize; 3])>,
    lungs: Option<LungNetwork<B>>,
    dequantized: bool,
    budget: Budget,
}

/// A slice's largest probability from which its classes are told apart.
const INFECTED: u8 = 128;

impl<B: Kernels> Engine<B> {
    /// An engine without networks.
    pub fn new(device: B::Device) -> Self {
        Engine {
            device,
            infnet: None,
            classes: None,
            normnets: Vec::new(),
            lungs: None,
            dequantized: false,
            budget: Budget::default(),
        }
    }

    /// An engine that refuses networks which need more memory than this.
    pub fn within(self, budget: Budget) -> Self {
        Engine { budget, ..self }
    }

    /// An engine that expands 8-bit weights when it loads them: the reference that the packed
    /// kernels are compared with.
    pub fn dequantized(self) -> Self {
        Engine {
            dequantized: true,
            ..self
        }
    }

    /// Loads a weight file after checking its size and SHA-256 against its entry.
    ///
    /// # Errors
    /// If the bytes are not the entry's, are not that network's parameters, or the network needs
    /// more memory than it may take.
    pub fn load(&mut self, entry: &Entry, bytes: &[u8]) -> Result<(), EngineError> {
        entry.verify(bytes)?;
        self.budget.check(entry)?;
        let file = TensorFile::from_bytes(&entry.file, bytes)?;
        let form = match entry.precision {
            Precision::Int8 if !self.dequantized => Form::Packed,
            _ => Form::Folded,
        };
        let mut build = Builder::<B>::loading(form, &self.device);
        match entry.network {
            Network::Infnet => {
                let config: InfNetConfig = entry.config()?;
                let net = InfNet::new(&mut build, &config);
                self.infnet = Some(LoadedInfNet {
                    net: load(net, &build, &file)?,
                    side: config.side,
                    temperature: entry.temperature,
                });
            }
            Network::Classes => {
                let config: ClassesConfig = entry.config()?;
                let net = classes::network(&mut build, &config);
                self.classes = Some((load(net, &build, &file)?, config.side));
            }
            Network::Normnet => {
                let config: NormNetConfig = entry.config()?;
                let extent = entry.extent3()?;
                let net = load(NormNet::new(&mut build, &config), &build, &file)?;
                self.normnets.retain(|(name, ..)| *name != entry.name);
                self.normnets.push((entry.name.clone(), net, extent));
            }
            Network::Lungs => {
                self.lungs = Some(LungNetwork::load(entry, bytes, &self.device)?);
            }
        }
        Ok(())
    }

    /// The side of Inf-Net's input.
    pub fn side(&self) -> Result<usize, EngineError> {
        let net = self.infnet.as_ref();
        net.map(|n| n.side)
            .ok_or(EngineError::NotLoaded { network: "Inf-Net" })
    }

    /// Runs a tile: its task and input give the bytes that
    /// [`Analysis::merge`](crate::analysis::Analysis::merge) takes.
    ///
    /// # Errors
    /// If the network is not loaded, the input is not its size, or the device fails.
    pub async fn compute(&self, task: &Task, input: &[u8]) -> Result<Vec<u8>, EngineError> {
        match task {
            Task::Slab { model } => {
                let slab: Vec<f32> = bytemuck::pod_collect_to_vec(input);
                self.slab(model, &slab).await
            }
            Task::Slice {
                size,
                looks,
                classes,
            } => {
                let count = size[0].saturating_mul(size[1]);
                check("Inf-Net", count, input.len())?;
                let grey = Plane::new(input.to_vec(), *size).map_err(|_| EngineError::Input {
                    network: "Inf-Net",
                    expected: count,
                    found: input.len(),
                })?;
                let mut result = self.slice(&grey, *looks, *classes).await?;
                result.probability.append(&mut result.classes);
                Ok(result.probability)
            }
        }
    }

    /// A network's raw logits: NormNet's of one slab, Inf-Net's finest map of one normalised slice
    /// `[3, side, side]`, the class network's of one slice and map `[6, side, side]`, the lung
    /// network's of one slice `[4, side/2, side/2]`.
    ///
    /// # Errors
    /// If the network is not loaded, the input is not its size, or the device fails.
    pub async fn forward(&self, entry: &Entry, input: &[f32]) -> Result<Vec<f32>, EngineError> {
        let missing = EngineError::NotLoaded {
            network: entry.network.name(),
        };
        match entry.network {
            Network::Normnet => read(self.slab_logits(&entry.name, input)?).await,
            Network::Infnet => {
                let loaded = self.infnet.as_ref().ok_or(missing)?;
                let image = self.square(3, loaded.side, "Inf-Net", input)?;
                read(loaded.net.predict(image)).await
            }
            Network::Classes => {
                let (net, side) = self.classes.as_ref().ok_or(missing)?;
                let planes = self.square(6, *side, "the class network", input)?;
                read(net.forward(planes)).await
            }
            Network::Lungs => {
                let net = self.lungs.as_ref().ok_or(missing)?;
                check("the lung network", net.inputs(), input.len())?;
                read(net.logits(input.to_vec())).await
            }
        }
    }

    /// Named intermediate tensors of Inf-Net on one normalised slice `[3, side, side]`, in the order
    /// in which they arise; the names are [`InfNet::forward_tapped`]'s.
    ///
    /// # Errors
    /// If Inf-Net is not loaded or has no tensor of one of the names, the input is not its size, or
    /// the device fails.
    pub async fn taps(&self, input: &[f32], names: &[String]) -> Result<Vec<Tapped>, EngineError> {
        let network = "Inf-Net";
        let missing = EngineError::NotLoaded { network };
        let loaded = self.infnet.as_ref().ok_or(missing)?;
        let image = self.square(3, loaded.side, network, input)?;
        let (mut found, mut known) = (Vec::new(), Vec::new());
        loaded.net.forward_tapped(image, &mut |name, tensor| {
            known.push(name.to_string());
            if names.iter().any(|n| n == name) {
                found.push((name.to_string(), tensor.clone()));
            }
        });
        if let Some(name) = names.iter().find(|name| !known.contains(name)) {
            return Err(EngineError::Tap {
                network,
                name: name.clone(),
                known: known.join(", "),
            });
        }
        let mut tapped = Vec::with_capacity(found.len());
        for (name, tensor) in found {
            tapped.push(Tapped {
                name,
                shape: tensor.dims().to_vec(),
                values: read(tensor).await?,
            });
        }
        Ok(tapped)
    }

    /// One square of `channels` on the device.
    fn square(
        &self,
        channels: usize,
        side: usize,
        network: &'static str,
        input: &[f32],
    ) -> Result<Tensor<B, 4>, EngineError> {
        check(network, channels * side * side, input.len())?;
        let data = TensorData::new(input.to_vec(), [1, channels, side, side]);
        Ok(Tensor::from_data(data, &self.device))
    }

    fn slab_logits(&self, model: &str, slab: &[f32]) -> Result<Tensor<B, 5>, EngineError> {
        let loaded = self.normnets.iter().find(|(name, ..)| name == model);
        let Some((_, net, [z, y, x])) = loaded else {
            return Err(EngineError::NotLoaded { network: "NormNet" });
        };
        check("NormNet", z * y * x, slab.len())?;
        let data = TensorData::new(slab.to_vec(), [1, 1, *z, *y, *x]);
        Ok(net.forward(Tensor::<B, 5>::from_data(data, &self.device)))
    }

    /// One NormNet model on one slab of intensities `[z, y, x]`: probability of being healthy
    /// × 255.
    pub async fn slab(&self, model: &str, slab: &[f32]) -> Result<Vec<u8>, EngineError> {
        let logits = self.slab_logits(model, slab)?;
        Ok(to_bytes(&read(sigmoid(logits)).await?))
    }

    /// Inf-Net on one grey slice of any size, its logits averaged over so many [`Look`]s, and the
    /// classes of what it finds.
    pub async fn slice(
        &self,
        grey: &Plane<u8>,
        looks: usize,
        by: ClassesBy,
    ) -> Result<SliceResult, EngineError> {
        let Some(infnet) = &self.infnet else {
            return Err(EngineError::NotLoaded { network: "Inf-Net" });
        };
        let side = infnet.side;
        let looks = Look::first(looks, side);
        let mut sum = vec![0.0; side * side];
        for look in &looks {
            let input = look.input(grey);
            let image = self.square(3, look.side, "Inf-Net", &input)?;
            let logits = look.back(&read(infnet.net.predict(image)).await?, side);
            for (sum, logit) in sum.iter_mut().zip(logits.data()) {
                *sum += logit;
            }
        }
        let scale = looks.len() as f32 * infnet.temperature as f32;
        let chances: Vec<f32> = sum
            .iter()
            .map(|s| 1.0 / (1.0 + (-s / scale).exp()))
            .collect();
        let probability = to_bytes(&chances);
        let map = Plane::from_fn([side; 2], |x, y| probability[y * side + x]);
        let classes = match by {
            _ if map.data().iter().all(|&p| p < INFECTED) => Vec::new(),
            ClassesBy::Density => {
                let grey = grey.resize_bilinear([side; 2]).map(f32::from);
                classes::by_density(grey.data(), map.map(f32::from).data(), side)
            }
            ClassesBy::Network => {
                let network = "the class network";
                let loaded = self.classes.as_ref();
                let (net, side) = loaded.ok_or(EngineError::NotLoaded { network })?;
                // In a scan the classes get one look: it takes longer than Inf-Net's.
                let all = Orientation::ALL.len();
                let looks = if looks.len() == all { all } else { 1 };
                let looks = &Orientation::ALL[..looks];
                self.classify(net, *side, grey, &map, looks).await?
            }
        };
        Ok(SliceResult {
            probability,
            classes,
        })
    }

    /// The class network's ground glass (1) or consolidation (2) for every pixel of Inf-Net's map,
    /// logits summed over the orientations.
    async fn classify(
        &self,
        net: &UNet<B>,
        side: usize,
        grey: &Plane<u8>,
        map: &Plane<u8>,
        looks: &[Orientation],
    ) -> Result<Vec<u8>, EngineError> {
        // How much more a pixel is consolidation than ground glass.
        let mut margin = vec![0.0; side * side];
        for look in looks {
            let mut input = slices::network_input(&look.apply(grey), side);
            input.extend(slices::network_input(&look.apply(map), side));
            let data = TensorData::new(input, [1, 6, side, side]);
            let logits = net.forward(Tensor::<B, 4>::from_data(data, &self.device));
            let values = read(logits).await?;
            let (glass, solid) = values.split_at(side * side);
            let margins = Plane::from_fn([side; 2], |x, y| {
                let at = y * side + x;
                solid[at] - glass[at]
            });
            let margins = look.inverse().apply(&margins);
            for (sum, value) in margin.iter_mut().zip(margins.data()) {
                *sum += value;
            }
        }
        let labels = Plane::from_fn([side; 2], |x, y| 1 + u8::from(margin[y * side + x] > 0.0));
        Ok(labels.resize_nearest(map.size()).into_data())
    }
}

fn check(network: &'static str, expected: usize, found: usize) -> Result<(), EngineError> {
    match expected == found {
        true => Ok(()),
        false => Err(EngineError::Input {
            network,
            expected,
            found,
        }),
    }
}

async fn read<B: Kernels, const D: usize>(tensor: Tensor<B, D>) -> Result<Vec<f32>, EngineError> {
    let problem = |problem: String| EngineError::Device { problem };
    let data = tensor.into_data_async().await;
    let data = data.map_err(|e: ExecutionError| problem(e.to_string()))?;
    data.convert::<f32>()
        .into_vec()
        .map_err(|e| problem(format!("{e:?}")))
}

fn to_bytes(probability: &[f32]) -> Vec<u8> {
    probability
        .iter()
        .map(|p| (p * 255.0).round() as u8)
        .collect()
}
