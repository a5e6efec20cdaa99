/**
 * Figures as plain objects: the part of Plotly's schema that the project uses
 * (https://plotly.com/javascript/reference/). A spec can be passed to `Plotly.newPlot`, written as JSON,
 * compared in a test, and drawn without a browser (`static/`).
 */

/** A colour of CSS. */
export type Colour = string;

/** Stops of a colour scale, from 0 to 1. */
export type ColourScale = readonly (readonly [at: number, colour: Colour])[];

/** Coordinates of a trace. */
export type Values = readonly (number | string | null)[];

interface CommonTrace {
  readonly name?: string;
  /** `x`, `x2`, …: which axes of the layout it lies on. Default the first. */
  readonly xaxis?: string;
  readonly yaxis?: string;
  readonly showlegend?: boolean;
  /** Text shown at the pointer, for each point. */
  readonly hovertext?: readonly string[];
  readonly hoverinfo?: 'text' | 'skip' | 'all';
  readonly opacity?: number;
}

/** Points, lines, or both. */
export interface ScatterTrace extends CommonTrace {
  readonly type: 'scatter';
  readonly x: Values;
  /** null leaves a gap in a line. */
  readonly y: Values;
  readonly mode: 'lines' | 'markers' | 'lines+markers' | 'text' | 'markers+text';
  readonly line?: {
    readonly color?: Colour;
    readonly width?: number;
    readonly dash?: 'solid' | 'dot' | 'dash';
    readonly shape?: 'linear' | 'hv';
  };
  /** `toself`: the points enclose an area. */
  readonly fill?: 'toself';
  readonly fillcolor?: Colour;
  readonly marker?: {
    /** One colour, one for each point, or a number for each point on `colorscale`. */
    readonly color?: Colour | readonly Colour[] | readonly number[];
    readonly colorscale?: ColourScale;
    readonly showscale?: boolean;
    readonly size?: number | readonly number[];
    readonly line?: { readonly color?: Colour; readonly width?: number };
  };
  readonly text?: readonly string[];
  readonly textposition?: TextPosition | readonly TextPosition[];
  readonly textfont?: Font;
}

/** Place of a text relative to its point. */
export type TextPosition = 'middle right' | 'middle left' | 'top center' | 'bottom center' | 'middle center';

/** Bars. */
export interface BarTrace extends CommonTrace {
  readonly type: 'bar';
  readonly x: Values;
  readonly y: Values;
  /** `h`: the bars' lengths are along x. */
  readonly orientation?: 'v' | 'h';
  readonly marker?: { readonly color?: Colour | readonly Colour[] };
  readonly width?: number;
  readonly text?: readonly string[];
  readonly textposition?: 'outside' | 'none';
}

/** A matrix as colours. */
export interface HeatmapTrace extends CommonTrace {
  readonly type: 'heatmap';
  /** Rows from the bottom up, unless the y axis is reversed. */
  readonly z: readonly (readonly number[])[];
  readonly x?: Values;
  readonly y?: Values;
  readonly colorscale: ColourScale;
  readonly zmin?: number;
  readonly zmax?: number;
  readonly showscale?: boolean;
  /** `best`: colours flow into each other. */
  readonly zsmooth?: 'best' | false;
}

/** One line across all axes for each run. */
export interface ParallelTrace {
  readonly type: 'parcoords';
  readonly dimensions: readonly {
    readonly label: string;
    readonly values: readonly number[];
    readonly range?: readonly [number, number];
    readonly tickvals?: readonly number[];
    readonly ticktext?: readonly string[];
  }[];
  readonly line: {
    readonly color: readonly number[];
    readonly colorscale: ColourScale;
    readonly showscale?: boolean;
    readonly colorbar?: { readonly title: { readonly text: string } };
  };
}

/** Data of a figure, drawn in one way. */
export type Trace = ScatterTrace | BarTrace | HeatmapTrace | ParallelTrace;

/** Size and colour of a text. */
export interface Font {
  readonly size?: number;
  readonly color?: Colour;
  readonly family?: string;
}

/** An axis. */
export interface Axis {
  readonly title?: { readonly text: string };
  /** Default: categories where values are words, else linear. */
  readonly type?: 'linear' | 'log' | 'category';
  /** Ends of the axis; for a logarithmic axis, their logarithms. */
  readonly range?: readonly [number, number];
  readonly autorange?: 'reversed';
  /** Its part of the figure's width or height, from 0 to 1. */
  readonly domain?: readonly [number, number];
  readonly tickvals?: readonly (number | string)[];
  readonly ticktext?: readonly string[];
  /** As `.0%` or `,d` of d3-format. */
  readonly tickformat?: '.0%' | ',d' | '.1f' | '.2f';
  readonly tickangle?: number;
  readonly showgrid?: boolean;
  readonly showticklabels?: boolean;
  readonly zeroline?: boolean;
  /** Whether line, ticks and grid are drawn. */
  readonly visible?: boolean;
  /** The other axis of the pair, if it has another number. */
  readonly anchor?: string;
  /** Axis whose units have the same length. */
  readonly scaleanchor?: string;
  readonly automargin?: boolean;
}

/** A text at a place of a figure. */
export interface Annotation {
  readonly text: string;
  readonly x: number | string;
  readonly y: number | string;
  readonly xref?: string;
  readonly yref?: string;
  readonly showarrow: false;
  readonly xanchor?: 'left' | 'center' | 'right';
  readonly yanchor?: 'top' | 'middle' | 'bottom';
  readonly font?: Font;
  readonly bgcolor?: Colour;
}

/** A picture at a place of a figure. */
export interface LayoutImage {
  /** A `data:` URL, so that a figure is self-contained. */
  readonly source: string;
  readonly x: number;
  readonly y: number;
  readonly sizex: number;
  readonly sizey: number;
  readonly xref: string;
  readonly yref: string;
  readonly xanchor?: 'left' | 'center' | 'right';
  readonly yanchor?: 'top' | 'middle' | 'bottom';
  readonly sizing?: 'stretch' | 'contain';
  readonly layer?: 'below' | 'above';
  readonly opacity?: number;
}

/** A line or rectangle at a place of a figure. */
export interface Shape {
  readonly type: 'line' | 'rect';
  readonly x0: number;
  readonly x1: number;
  readonly y0: number;
  readonly y1: number;
  /** An axis, or `paper`: 0 to 1 over the figure. */
  readonly xref: string;
  readonly yref: string;
  readonly line?: { readonly color?: Colour; readonly width?: number; readonly dash?: 'solid' | 'dot' | 'dash' };
  readonly fillcolor?: Colour;
  readonly layer?: 'below' | 'above';
}

/** Axes are `xaxis`, `xaxis2`, `yaxis`, `yaxis2` and so on. */
export interface Layout {
  readonly title?: { readonly text: string };
  readonly width: number;
  readonly height: number;
  readonly barmode?: 'group' | 'stack' | 'overlay';
  readonly bargap?: number;
  readonly showlegend?: boolean;
  readonly annotations?: readonly Annotation[];
  readonly images?: readonly LayoutImage[];
  readonly shapes?: readonly Shape[];
  readonly margin?: { readonly l?: number; readonly r?: number; readonly t?: number; readonly b?: number };
  readonly [axis: `${'x' | 'y'}axis${string}`]: Axis | undefined;
}

/** A figure: its data, and how they are laid out. */
export interface FigureSpec {
  readonly data: readonly Trace[];
  readonly layout: Layout;
}
