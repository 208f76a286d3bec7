//! The convolution on CUDA: which kernels compute it, how its tiles are chosen, and in how many shares weights are summed.

use crate::error::{Error, Kind, Result};
use crate::tensor::cuda::launch::{Pointer, Sizes, THREADS, argument, blocks, launch, run};
use crate::tensor::cuda::window::Shape;
use crate::tensor::engine::Precision;
use crate::tensor::geometry::Convolution;

/// About how many blocks a sum over rows is cut into; a constant, so that sums do not depend on the GPU.
const BLOCKS: usize = 256;

/// At least how many rows a share has.
const ROWS: usize = 256;

/// A convolution, for any number of images.
#[derive(Debug, Clone)]
pub(crate) struct Kernel {
    geometry: Convolution,
    output: [usize; 2],
    precision: Precision,
}

/// A tile of a product: its rows and columns, and the kernels that compute it, for every precision.
struct Tile {
    sizes: [usize; 2],
    names: [[&'static str; 4]; 3],
}

macro_rules! tile {
    ($rows:literal, $columns:literal) => {
        Tile {
            sizes: [$rows, $columns],
            names: [tile!("f32", $rows, $columns), tile!("tf32", $rows, $columns), tile!("bf16", $rows, $columns)],
        }
    };
    ($precision:literal, $rows:literal, $columns:literal) => {
        [
            concat!("convolution_", $precision, "_", $rows, "x", $columns),
            concat!("convolution_", $precision, "_by_four_", $rows, "x", $columns),
            concat!("convolution_", $precision, "_back_", $rows, "x", $columns),
            concat!("convolution_", $precision, "_back_by_four_", $rows, "x", $columns),
        ]
    };
}

/// From large to small.
const TILES: [Tile; 5] = [tile!(128, 128), tile!(128, 64), tile!(64, 64), tile!(128, 32), tile!(128, 16)];

/// The kernels for gradients of weights, by precision and by columns of a tile.
const WEIGHTS: [[&str; 3]; 3] = [
    ["convolution_f32_weights_64x16", "convolution_f32_weights_64x32", "convolution_f32_weights_64x64"],
    ["convolution_tf32_weights_64x16", "convolution_tf32_weights_64x32", "convolution_tf32_weights_64x64"],
    ["convolution_bf16_weights_64x16", "convolution_bf16_weights_64x32", "convolution_bf16_weights_64x64"],
];

/// The place of a precision in the tables of kernels.
fn place(precision: Precision) -> usize {
    match precision {
        Precision::F32 => 0,
        Precision::Tf32 => 1,
        Precision::Bf16 => 2,
    }
}

impl Kernel {
    /// None if the window does not fit the input. Depthwise convolutions are always computed in `f32`.
    pub(crate) fn new(geometry: &Convolution, precision: Precision) -> Option<Self> {
        let fits = geometry.groups > 0
            && geometry.in_channels.is_multiple_of(geometry.groups)
            && geometry.out_channels.is_multiple_of(geometry.groups);
        let output = geometry.window.positions(geometry.input)?;
        fits.then_some(Self { geometry: *geometry, output, precision })
    }

    /// Lines of the output, and positions along each.
    pub(crate) fn output(&self) -> [usize; 2] {
        self.output
    }

    /// How many weights there are.
    pub(crate) fn weights(&self) -> usize {
        let Convolution { in_channels, out_channels, window, groups, .. } = self.geometry;
        out_channels * (in_channels / groups) * window.kernel[0] * window.kernel[1]
    }

    /// How many numbers [`Kernel::pack`] writes.
    pub(crate) fn packed(&self) -> usize {
        if self.is_depthwise() { 0 } else { 2 * self.weights() }
    }

    /// How many numbers gradients of weights and of a bias need for their parts, each after the other.
    pub(crate) fn workspace(&self, batch: usize) -> usize {
        let rows = self.rows(batch);
        let (shares, _) = self.shares(rows);
        let (column_shares, _) = column_shares(rows, self.geometry.out_channels);
        (shares * self.weights()).max(column_shares * self.geometry.out_channels)
    }

    fn is_depthwise(&self) -> bool {
        self.geometry.groups == self.geometry.in_channels && self.geometry.groups > 1
    }

    fn rows(&self, batch: usize) -> usize {
        batch * self.output[0] * self.output[1]
    }

    fn taps(&self) -> usize {
        self.geometry.window.kernel[0] * self.geometry.window.kernel[1]
    }

    fn shape(&self, batch: usize) -> Shape {
        let Convolution { input, in_channels, out_channels, window, groups, .. } = self.geometry;
        Shape::new(batch, input, in_channels, self.output, out_channels, &window, groups)
    }

    /// Into how many shares the rows are cut for the gradient of the weights, and how many each has.
    fn shares(&self, rows: usize) -> (usize, usize) {
        let Convolution { in_channels, out_channels, groups, .. } = self.geometry;
        let tiles = if self.is_depthwise() {
            out_channels.div_ceil(32) * self.taps()
        } else {
            let (depth, width) = (self.taps() * (in_channels / groups), out_channels / groups);
            depth.div_ceil(64) * width.div_ceil(weights_tile(width).0) * groups
        };
        cut(rows, BLOCKS.div_ceil(tiles))
    }

    /// Brings weights in PyTorch's layout into those of the products.
    pub(crate) fn pack(&self, weight: Pointer, packed: Pointer) -> Result<()> {
        if self.is_depthwise() {
            return Ok(());
        }
        let count = self.weights();
        launch!("convolution_pack", blocks(count), THREADS, self.shape(1), weight, packed, packed.plus(count))
    }

    /// `y = x * weight + bias`.
    pub(crate) fn forward(
        &self,
        batch: usize,
        x: Pointer,
        [weight, packed]: [Pointer; 2],
        bias: Pointer,
        y: Pointer,
    ) -> Result<()> {
        if self.is_depthwise() {
            let count = self.rows(batch) * self.geometry.out_channels;
            return launch!("depthwise", blocks(count), THREADS, self.shape(batch), x, weight, bias, y);
        }
        self.product(batch, false, x, packed, bias, y, false)
    }

    /// The gradient of the input, written to `dx` or added to it.
    pub(crate) fn backward_input(
        &self,
        batch: usize,
        dy: Pointer,
        [weight, packed]: [Pointer; 2],
        dx: Pointer,
        sum: bool,
    ) -> Result<()> {
        if self.is_depthwise() {
            let [height, width] = self.geometry.input;
            let count = batch * height * width * self.geometry.in_channels;
            let sum = i32::from(sum);
            return launch!("depthwise_back", blocks(count), THREADS, self.shape(batch), dy, weight, dx, sum);
        }
        self.product(batch, true, dy, packed.plus(self.weights()), Pointer::NONE, dx, sum)
    }

    #[allow(clippy::too_many_arguments, reason = "what a product is made of")]
    fn product(
        &self,
        batch: usize,
        back: bool,
        image: Pointer,
        matrix: Pointer,
        bias: Pointer,
        result: Pointer,
        sum: bool,
    ) -> Result<()> {
        let Convolution { input, in_channels, out_channels, groups, .. } = self.geometry;
        let (rows, depth, width) = match back {
            false => (self.rows(batch), in_channels / groups, out_channels / groups),
            true => (batch * input[0] * input[1], out_channels / groups, in_channels / groups),
        };
        let tile = tile(rows, width, groups);
        let by_four = depth % 4 == 0;
        let name = tile.names[place(self.precision)][2 * usize::from(back) + usize::from(by_four)];
        let grid = [rows.div_ceil(tile.sizes[0]), width.div_ceil(tile.sizes[1]), groups].map(|size| size as u32);
        let (shape, sum) = (self.shape(batch), i32::from(sum));
        run(
            name,
            grid.into(),
            Sizes::from(THREADS),
            &mut [
                argument(&shape),
                argument(&image),
                argument(&matrix),
                argument(&bias),
                argument(&result),
                argument(&sum),
            ],
        )
    }

    /// Adds the gradient of the weights to `dweight`, in PyTorch's layout.
    pub(crate) fn backward_weights(
        &self,
        batch: usize,
        x: Pointer,
        dy: Pointer,
        dweight: Pointer,
        workspace: Pointer,
    ) -> Result<()> {
        let Convolution { in_channels, out_channels, groups, .. } = self.geometry;
        let (shape, count) = (self.shape(batch), self.weights());
        let (shares, share_rows) = self.shares(self.rows(batch));
        if self.is_depthwise() {
            let grid = [shares, out_channels.div_ceil(32), self.taps()].map(|size| size as u32);
            launch!("depthwise_weights", grid, THREADS, shape, x, dy, workspace, share_rows as i64)?;
            return add_parts(workspace, shares, count, dweight);
        }
        let (depth, width) = (self.taps() * (in_channels / groups), out_channels / groups);
        let (columns, size) = weights_tile(width);
        let name = WEIGHTS[place(self.precision)][size];
        let grid = [depth.div_ceil(64), width.div_ceil(columns), groups * shares].map(|size| size as u32);
        let (all, each) = (shares as i32, share_rows as i64);
        run(
            name,
            grid.into(),
            Sizes::from(THREADS),
            &mut [argument(&shape), argument(&x), argument(&dy), argument(&workspace), argument(&all), argument(&each)],
        )?;
        launch!("convolution_unpack", blocks(count), THREADS, shape, workspace, all, dweight)
    }

    /// Adds the gradient of the bias to `dbias`.
    pub(crate) fn backward_bias(&self, batch: usize, dy: Pointer, dbias: Pointer, workspace: Pointer) -> Result<()> {
        add_column_sums(dy, self.rows(batch), self.geometry.out_channels, dbias, workspace)
    }
}

/// The tile for a product with so many rows, and so many columns in each group: the largest of which there are enough.
fn tile(rows: usize, width: usize, groups: usize) -> &'static Tile {
    let count = |tile: &Tile| rows.div_ceil(tile.sizes[0]) * width.div_ceil(tile.sizes[1]) * groups;
    let fits = |tile: &&Tile| width > tile.sizes[1] / 2;
    let mut fitting = TILES.iter().filter(fits);
    let smallest = TILES.iter().filter(fits).min_by_key(|tile| tile.sizes[0] * tile.sizes[1]);
    fitting.find(|tile| count(tile) >= BLOCKS / 2).or(smallest).unwrap_or(&TILES[TILES.len() - 1])
}

/// The columns of the tile for a gradient of weights with so many outputs in each group, and its place among sizes.
fn weights_tile(width: usize) -> (usize, usize) {
    match width {
        0..=16 => (16, 0),
        17..=32 => (32, 1),
        _ => (64, 2),
    }
}

/// Cuts rows into at most `most` shares: how many there are, and how many rows each has.
fn cut(rows: usize, most: usize) -> (usize, usize) {
    let shares = most.min(rows.div_ceil(ROWS)).max(1);
    let each = rows.div_ceil(shares);
    (rows.div_ceil(each), each)
}

/// Into how many shares sums of columns are cut, and how many rows each has.
pub(crate) fn column_shares(rows: usize, columns: usize) -> (usize, usize) {
    cut(rows, BLOCKS.div_ceil(columns.div_ceil(32)))
}

/// Adds the sums of the columns of x (rows, columns) to `total`.
pub(crate) fn add_column_sums(
    x: Pointer,
    rows: usize,
    columns: usize,
    total: Pointer,
    workspace: Pointer,
) -> Result<()> {
    let (shares, each) = column_shares(rows, columns);
    let grid = [shares as u32, columns.div_ceil(32) as u32];
    launch!("column_sums", grid, THREADS, x, rows as i64, columns as i32, workspace, each as i64)?;
    add_parts(workspace, shares, columns, total)
}

fn add_parts(parts: Pointer, shares: usize, count: usize, total: Pointer) -> Result<()> {
    launch!("add_parts", blocks(count), THREADS, parts, shares as i32, count as i64, total)
}

/// A convolution that does not fit.
pub(crate) fn unfit(geometry: &Convolution) -> Error {
    Error::new(Kind::Internal, format!("a convolution's window does not fit its input: {geometry:?}"))
}
