//! Bronchi, pulmonary arteries and veins inside the lungs.
//!
//! Each tree fills its lobe: points spread evenly through the lobe are joined one after the
//! other to the place that costs least wire and least way back to the hilum (Cuntz et al., PLoS
//! Comput Biol 2010), which gives long, straight stems with side branches. Arteries run beside
//! the bronchi; veins have points of their own between them. Radii follow Murray's law: the cube
//! of a branch's radius is the sum of the cubes of its children's, so a branch that feeds n
//! points has radius r₁·n^(1/3).

use super::anatomy::{Anatomy, DepthMap, Lobe};
use super::canvas::{FAR, Raster, Warp};
use super::math::{
    Point, Rng, add, cross, cube_root, dot, length, lerp, mix, reject, scale, stream, sub, unit,
};
use super::mediastinum::HILUM;
use super::shapes::clip_to_plane;

/// Lobes in the order of [`HILUM`].
const LOBES: [Lobe; 5] = [
    Lobe::RightUpper,
    Lobe::RightMiddle,
    Lobe::RightLower,
    Lobe::LeftUpper,
    Lobe::LeftLower,
];

/// Distance between the points that a tree has to reach, in mm.
const POINT_STEP: f32 = 8.2;
/// Radius of a twig that feeds one point, in mm.
const TWIG_RADIUS: f32 = 0.42;
/// Points this near the pleura are left out, and thinned out down to the second depth.
const BARE_RIM: f32 = 3.0;
const THIN_RIM: f32 = 7.0;
const RIM_SHARE: f32 = 0.6;
/// Weight of the way back to the hilum against the length of new wire.
const BALANCE: f32 = 0.28;
/// How much dearer wire is that leaves straight backwards.
const TURN: f32 = 1.2;
/// What it costs, in mm, to leave the lung.
const DETOUR: f32 = 25.0;
/// How often, and by how much, stems are straightened.
const STRAIGHTENINGS: usize = 4;
const STRAIGHTENING: f32 = 0.5;
/// Bronchi, as wide as their arteries.
const LUMEN: f32 = 0.92;
/// Bronchi narrower than this are not visible in aerated lung; down to the second radius they
/// are in consolidated lung, as air bronchograms.
const LEAST_LUMEN: f32 = 1.4;
const LEAST_BRONCHOGRAM: f32 = 0.5;

/// What a [`Branch`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Artery or vein.
    Vessel,
    /// A bronchus with visible walls.
    Bronchus,
    /// A bronchus that only consolidated lung around it shows.
    Bronchiole,
}

/// A straight, tapering piece of a vessel or (its lumen) of a bronchus, in scan coordinates.
#[derive(Clone, Copy, Debug)]
pub struct Branch {
    pub kind: Kind,
    pub from: Point,
    pub to: Point,
    pub radius: [f32; 2],
}

/// Thickness of the wall of a bronchus with a lumen of this radius.
pub fn wall_thickness(lumen: f32) -> f32 {
    0.3 + 0.15 * lumen
}

/// All branches, findable by height.
pub struct Forest {
    branches: Vec<Branch>,
    /// Branches that come near each layer of [`LAYER`] mm, from [`Forest::FLOOR`] up.
    layers: Vec<Vec<u32>>,
}

/// Height of a layer in mm.
const LAYER: f32 = 2.0;

impl Forest {
    /// Height of the lowest layer.
    const FLOOR: f32 = -20.0;
    const LAYERS: usize = 180;

    /// Grow the trees of a patient. `edge` is the widest that a border can be in mm.
    pub fn new(seed: u64, anatomy: &Anatomy, depth: &DepthMap, warp: &Warp, edge: f32) -> Self {
        let mut rng = Rng::new(seed, stream::TREES);
        let mut branches = Vec::new();
        let clouds = [
            clouds(anatomy, depth, &mut rng),
            clouds(anatomy, depth, &mut rng),
        ];
        let [airy, venous] = clouds;
        for (lobe, cloud) in airy.iter().enumerate() {
            let nodes = grow(cloud, start(HILUM.bronchi[lobe]), depth);
            bronchi(&nodes, HILUM.bronchi[lobe][3], &mut branches);
            arteries(&nodes, HILUM.arteries[lobe], &mut branches);
        }
        for (lobe, cloud) in venous.iter().enumerate() {
            let nodes = grow(cloud, start(HILUM.veins[lobe]), depth);
            let at: Vec<Point> = nodes.iter().map(|n| n.at).collect();
            vessels(&nodes, &at, HILUM.veins[lobe][3], &mut branches);
        }
        for b in &mut branches {
            b.from = warp.invert(b.from);
            b.to = warp.invert(b.to);
        }
        Self::index(branches, edge)
    }

    fn index(branches: Vec<Branch>, edge: f32) -> Self {
        let mut layers = vec![Vec::new(); Self::LAYERS];
        for (n, b) in branches.iter().enumerate() {
            let reach = b.reach(edge);
            let layer = |z: f32| ((z - Self::FLOOR) / LAYER).clamp(0.0, Self::LAYERS as f32 - 1.0);
            let lo = layer(b.from[2].min(b.to[2]) - reach) as usize;
            let hi = layer(b.from[2].max(b.to[2]) + reach) as usize;
            for layer in &mut layers[lo..=hi] {
                layer.push(n as u32);
            }
        }
        Self { branches, layers }
    }

    /// The branches near the plane at `z`.
    pub fn near(&self, z: f32) -> impl Iterator<Item = &Branch> {
        let layer = (z - Self::FLOOR) / LAYER;
        let layer = (layer >= 0.0).then(|| self.layers.get(layer as usize));
        let indices = layer.flatten().map_or(&[][..], Vec::as_slice);
        indices.iter().map(|&n| &self.branches[n as usize])
    }
}

impl Branch {
    /// How far from its axis a branch can leave a trace.
    fn reach(&self, edge: f32) -> f32 {
        let r = self.radius[0].max(self.radius[1]);
        let wall = match self.kind {
            Kind::Vessel => 0.0,
            Kind::Bronchus | Kind::Bronchiole => wall_thickness(r),
        };
        (r + wall).max(0.5 * edge) + 0.5 * edge
    }

    /// Call `each` for the voxels of the plane at `z` that the branch may touch, with the
    /// distance to its axis and its radius there.
    pub fn trace(&self, raster: &Raster, z: f32, mut each: impl FnMut(usize, f32, f32)) {
        let reach = self.reach(raster.edge);
        let along = sub(self.to, self.from);
        let Some([p, q]) = clip_to_plane(self.from, self.to, z, reach) else {
            return;
        };
        let rect = [
            p[0].min(q[0]) - reach,
            p[0].max(q[0]) + reach,
            p[1].min(q[1]) - reach,
            p[1].max(q[1]) + reach,
        ];
        let Some(window) = raster.window(rect) else {
            return;
        };
        let norm = 1.0 / dot(along, along).max(1e-6);
        for j in window.j[0]..window.j[1] {
            let y = raster.y(j);
            for i in window.i[0]..window.i[1] {
                let v = sub([raster.x(i), y, z], self.from);
                let t = (dot(v, along) * norm).clamp(0.0, 1.0);
                let d = length(sub(v, scale(along, t)));
                if d < reach {
                    each(
                        i + raster.size[0] * j,
                        d,
                        lerp(self.radius[0], self.radius[1], t),
                    );
                }
            }
        }
    }
}

fn start(row: [f32; 4]) -> Point {
    [row[0], row[1], row[2]]
}

/// The points that a kind of tree has to reach, lobe by lobe: a jittered lattice.
fn clouds(anatomy: &Anatomy, depth: &DepthMap, rng: &mut Rng) -> [Vec<Point>; 5] {
    let mut clouds: [Vec<Point>; 5] = Default::default();
    let cells = [290.0, 210.0, 300.0].map(|l: f32| (l / POINT_STEP) as usize + 1);
    for k in 0..cells[2] {
        for j in 0..cells[1] {
            for i in 0..cells[0] {
                let mut at =
                    |cell: usize, first: f32| first + POINT_STEP * (cell as f32 + rng.unit());
                let p = [at(i, -145.0), at(j, -100.0), at(k, 10.0)];
                let kept = rng.unit();
                let d = depth.at(p);
                if d < BARE_RIM || (d < THIN_RIM && kept > RIM_SHARE) {
                    continue;
                }
                let lobe = anatomy.lobe(p);
                if let Some(n) = LOBES.iter().position(|l| *l == lobe) {
                    clouds[n].push(p);
                }
            }
        }
    }
    clouds
}

/// A fork of a tree, or its end.
struct Node {
    at: Point,
    parent: usize,
    /// Direction of the branch that ends here.
    direction: Point,
    /// Points fed through here, this one included.
    fed: usize,
}

/// Grow a tree from `root` to every point of the cloud. Parents come before their children.
fn grow(cloud: &[Point], root: Point, depth: &DepthMap) -> Vec<Node> {
    let centre = scale(
        cloud.iter().fold([0.0; 3], |sum, p| add(sum, *p)),
        1.0 / cloud.len().max(1) as f32,
    );
    let mut nodes = vec![Node {
        at: root,
        parent: 0,
        direction: unit(sub(centre, root)),
        fed: 1,
    }];
    let mut ways = vec![0.0f32];
    let mut open: Vec<Offer> = cloud
        .iter()
        .map(|p| Offer::new(&nodes[0], 0, 0.0, *p, depth))
        .collect();
    while let Some(best) = (0..open.len()).min_by(|a, b| open[*a].cost.total_cmp(&open[*b].cost)) {
        let offer = open.swap_remove(best);
        let parent = &nodes[offer.parent];
        let wire = sub(offer.point, parent.at);
        let way = ways[offer.parent] + length(wire);
        let node = Node {
            at: offer.point,
            parent: offer.parent,
            direction: unit(wire),
            fed: 1,
        };
        for other in &mut open {
            other.improve(&node, nodes.len(), way, depth);
        }
        nodes.push(node);
        ways.push(way);
    }
    for n in (1..nodes.len()).rev() {
        let parent = nodes[n].parent;
        nodes[parent].fed += nodes[n].fed;
    }
    straighten(&mut nodes);
    nodes
}

/// The cheapest way found so far to reach a point.
struct Offer {
    point: Point,
    parent: usize,
    cost: f32,
}

impl Offer {
    fn new(node: &Node, index: usize, way: f32, point: Point, depth: &DepthMap) -> Self {
        let mut offer = Self {
            point,
            parent: index,
            cost: FAR,
        };
        offer.improve(node, index, way, depth);
        offer
    }

    fn improve(&mut self, node: &Node, index: usize, way: f32, depth: &DepthMap) {
        let wire = sub(self.point, node.at);
        let long = length(wire);
        let least = long + BALANCE * way;
        if least >= self.cost {
            return;
        }
        let turn = 0.5 * (1.0 - dot(wire, node.direction) / long.max(1e-3));
        let mut cost = least + long * TURN * turn;
        if depth.at(mix(node.at, self.point, 0.5)) < 1.0 {
            cost += DETOUR;
        }
        if cost < self.cost {
            self.cost = cost;
            self.parent = index;
        }
    }
}

/// Pull every fork onto the line from its parent to the child that carries most.
fn straighten(nodes: &mut [Node]) {
    let mut heir = vec![0usize; nodes.len()];
    for n in 1..nodes.len() {
        let parent = nodes[n].parent;
        if heir[parent] == 0 || nodes[n].fed > nodes[heir[parent]].fed {
            heir[parent] = n;
        }
    }
    for _ in 0..STRAIGHTENINGS {
        for n in 1..nodes.len() {
            if heir[n] != 0 {
                let line = mix(nodes[nodes[n].parent].at, nodes[heir[n]].at, 0.5);
                nodes[n].at = mix(nodes[n].at, line, STRAIGHTENING);
            }
        }
    }
    for n in 1..nodes.len() {
        nodes[n].direction = unit(sub(nodes[n].at, nodes[nodes[n].parent].at));
    }
}

fn murray(fed: usize) -> f32 {
    TWIG_RADIUS * cube_root(fed as f32)
}

/// Radii at both ends of the branch that ends at `node`, where the root has radius `root`:
/// near the hilum they lead over to the radius of the vessel outside.
fn taper(nodes: &[Node], node: &Node, root: f32) -> [f32; 2] {
    let own = murray(node.fed);
    let excess = (root / murray(nodes[0].fed)).max(1.0);
    let share = |fed: usize| {
        let part = fed as f32 / nodes[0].fed as f32;
        1.0 + (excess - 1.0) * part
    };
    let parent = murray(nodes[node.parent].fed) * share(nodes[node.parent].fed);
    [
        (1.15 * own * share(node.fed)).min(parent),
        0.95 * own * share(node.fed),
    ]
}

/// Points along a branch: a curve that leaves in its parent's direction.
fn curve(from: Point, to: Point, direction: Point) -> [Point; 4] {
    let chord = sub(to, from);
    let control = add(
        from,
        add(scale(direction, 0.3 * length(chord)), scale(chord, 0.2)),
    );
    let at = |t: f32| mix(mix(from, control, t), mix(control, to, t), t);
    [from, at(1.0 / 3.0), at(2.0 / 3.0), to]
}

/// Short branches are drawn straight.
const CURVED: f32 = 4.0;

fn pieces(
    kind: Kind,
    from: Point,
    to: Point,
    direction: Point,
    [r0, r1]: [f32; 2],
    branches: &mut Vec<Branch>,
) {
    let mut push = |from, to, radius| {
        branches.push(Branch {
            kind,
            from,
            to,
            radius,
        });
    };
    if length(sub(to, from)) < CURVED {
        push(from, to, [r0, r1]);
        return;
    }
    let points = curve(from, to, direction);
    for (n, ends) in points.windows(2).enumerate() {
        let at = |n: usize| lerp(r0, r1, n as f32 / 3.0);
        push(ends[0], ends[1], [at(n), at(n + 1)]);
    }
}

fn vessels(nodes: &[Node], at: &[Point], root: f32, branches: &mut Vec<Branch>) {
    for (n, node) in nodes.iter().enumerate().skip(1) {
        pieces(
            Kind::Vessel,
            at[node.parent],
            at[n],
            nodes[node.parent].direction,
            taper(nodes, node, root),
            branches,
        );
    }
}

fn bronchi(nodes: &[Node], root: f32, branches: &mut Vec<Branch>) {
    for node in nodes.iter().skip(1) {
        let radius = taper(nodes, node, root).map(|r| LUMEN * r);
        let kind = if radius[1] >= LEAST_LUMEN {
            Kind::Bronchus
        } else if radius[1] >= LEAST_BRONCHOGRAM {
            Kind::Bronchiole
        } else {
            continue;
        };
        let parent = &nodes[node.parent];
        pieces(kind, parent.at, node.at, parent.direction, radius, branches);
    }
}

/// The arteries beside the bronchi of `nodes`, joined to the lobe's artery outside.
fn arteries(nodes: &[Node], hilum: [f32; 4], branches: &mut Vec<Branch>) {
    let root = start(hilum);
    let mut sides = vec![unit(reject(sub(root, nodes[0].at), nodes[0].direction))];
    let mut at = vec![root];
    for node in nodes.iter().skip(1) {
        // The side on which the artery runs is carried along the tree without twist.
        let mut side = reject(sides[node.parent], node.direction);
        if length(side) < 0.2 {
            side = cross(node.direction, nodes[node.parent].direction);
        }
        let side = unit(side);
        let r = murray(node.fed);
        let lumen = LUMEN * r;
        let gap = if lumen < LEAST_BRONCHOGRAM {
            0.0
        } else {
            r + lumen + wall_thickness(lumen) + 0.2
        };
        at.push(add(node.at, scale(side, gap)));
        sides.push(side);
    }
    vessels(nodes, &at, hilum[3], branches);
}
