/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-scene.h"

#include <string.h>

#define COLUMNS 22
#define ROWS 2
#define CELLS (COLUMNS * ROWS)
#define BITS 32
#define CHECK_BITS 8
/* Cell size in 1/1280 of the width and 1/720 of the height. */
#define CELL 24
#define BASE_WIDTH 1280
#define BASE_HEIGHT 720
/* Not the extremes: cheaper to code, and nothing clips. */
#define BLACK 40
#define WHITE 216
/* Black and white must be this far apart to be read, and a cell within this share of one of them. */
#define MIN_CONTRAST 60
#define MAX_DOUBT 0.35

/* Check bits as in a Hsiao code: each data bit has its own set of three, so up to three wrong cells
 * never go unnoticed, and a change of one data bit changes only four cells. */
static guint32
check_bits (guint32 bits)
{
  guint32 check = 0;
  int n = 0;

  for (guint32 column = 0; column < (1u << CHECK_BITS) && n < BITS; column++) {
    if (__builtin_popcount (column) != 3)
      continue;
    if ((bits >> n) & 1)
      check ^= column;
    n++;
  }
  return check;
}

static gboolean
cell_is_white (int cell, guint32 bits, guint32 check)
{
  if (cell == 0 || cell == CELLS - 1)
    return TRUE;
  if (cell == 1 || cell == CELLS - 2)
    return FALSE;
  cell -= 2;
  return cell < BITS ? (bits >> cell) & 1 : (check >> (cell - BITS)) & 1;
}

/* Left or upper edge of column or row @i, in pixels of @size; the rows end at the lower edge. */
static int
cell_x (int i, int width)
{
  return (int) (((gint64) i * CELL * width + BASE_WIDTH / 2) / BASE_WIDTH);
}

static int
cell_y (int i, int height)
{
  return height - (int) (((gint64) (ROWS - i) * CELL * height + BASE_HEIGHT / 2) / BASE_HEIGHT);
}

void
mlo_scene_draw_mark (guint8 * luma, int width, int height, int stride, guint8 * const chroma[2],
    const int chroma_strides[2], guint32 frame)
{
  guint32 bits = frame ^ (frame >> 1);
  guint32 check = check_bits (bits);

  for (int row = 0; row < ROWS; row++) {
    for (int y = cell_y (row, height); y < cell_y (row + 1, height); y++) {
      for (int column = 0; column < COLUMNS; column++) {
        int x = cell_x (column, width);

        memset (luma + (gsize) y * stride + x, cell_is_white (row * COLUMNS + column, bits, check) ? WHITE : BLACK,
            cell_x (column + 1, width) - x);
      }
    }
  }
  for (int c = 0; chroma && c < 2; c++) {
    for (int y = cell_y (0, height) / 2; y < height / 2; y++)
      memset (chroma[c] + (gsize) y * chroma_strides[c], 128, (cell_x (COLUMNS, width) + 1) / 2);
  }
}

/* Mean of the inner half of a cell. */
static double
cell_mean (const guint8 * luma, int width, int height, int stride, int cell)
{
  int column = cell % COLUMNS, row = cell / COLUMNS;
  int x0 = cell_x (column, width), x1 = cell_x (column + 1, width);
  int y0 = cell_y (row, height), y1 = cell_y (row + 1, height);
  int dx = (x1 - x0) / 4, dy = (y1 - y0) / 4;
  int sum = 0;

  x0 += dx;
  x1 -= dx;
  y0 += dy;
  y1 -= dy;
  for (int y = y0; y < y1; y++) {
    for (int x = x0; x < x1; x++)
      sum += luma[(gsize) y * stride + x];
  }
  return (double) sum / ((x1 - x0) * (y1 - y0));
}

gboolean
mlo_scene_read_mark (const guint8 * luma, int width, int height, int stride, guint32 * frame)
{
  guint64 word = 0;
  guint32 bits;
  double white, black;

  /* a cell has to have some pixels */
  if (width < BASE_WIDTH / CELL * 2 || height < BASE_HEIGHT / CELL * 2 || height > 65536 || width > 65536)
    return FALSE;
  white = (cell_mean (luma, width, height, stride, 0) + cell_mean (luma, width, height, stride, CELLS - 1)) / 2.0;
  black = (cell_mean (luma, width, height, stride, 1) + cell_mean (luma, width, height, stride, CELLS - 2)) / 2.0;
  if (white - black < MIN_CONTRAST)
    return FALSE;
  for (int cell = 0; cell < CELLS; cell++) {
    double v = (cell_mean (luma, width, height, stride, cell) - black) / (white - black);

    if (v > MAX_DOUBT && v < 1.0 - MAX_DOUBT)
      return FALSE;
    word |= (guint64) (v > 0.5) << cell;
  }
  /* the four reference cells */
  if ((word & 3) != 1 || word >> (CELLS - 2) != 2)
    return FALSE;
  bits = (guint32) (word >> 2);
  if (check_bits (bits) != ((word >> (2 + BITS)) & ((1u << CHECK_BITS) - 1)))
    return FALSE;
  for (int shift = 16; shift > 0; shift /= 2)
    bits ^= bits >> shift;
  *frame = bits;
  return TRUE;
}
