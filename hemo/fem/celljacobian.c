/* The Jacobian of the weak form inside cells (hemo/fem/forms.py and weakform.py, whose terms these are), LANES cells at a
   time, added straight to PETSc's compressed rows. One quadrature rule serves all terms. SI units; the pressure unknown and
   its test function are in units of `scale`, Pa. */

#include <math.h>
#include <stdint.h>

#define LANES 8
#define POINTS 15
#define NODES 10
#define CORNERS 4
#define ROWS (3 * NODES + CORNERS)
#define NOWHERE ROWS /* a column that a cell has not */

/* One version for each kind of processor, chosen where it runs; nodes of a cluster share what is compiled. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12
#define FAST __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FAST
#endif
#define INLINE static inline __attribute__((always_inline))
#define EACH(k, n) for (int k = 0; k < (n); ++k)

typedef double many __attribute__((vector_size(8 * LANES)));

#include "celljacobian.h"

/* What the terms need at one quadrature point; `gradient` is of u, [a][b] = d u_a / d x_b. */
typedef struct {
    many slope[NODES][3], along[NODES], velocity[3], gradient[3][3], strong[3], turn[3];
    many weight, streamline, bulk, spreading, leak;
} Point;

typedef struct {
    many inverse[3][3], metric[3][3], size; /* dX/dx, its K^T K, |det J| */
    many metric_norm, metric_trace;
    many velocity[NODES][3], past[NODES][3], pressure[CORNERS], pressure_slope[3];
    many laplacian[NODES], flow_laplacian[3], linear_slope[CORNERS][3], leak, leak_level;
} Geometry;

INLINE many root(many a)
{
    EACH(l, LANES) a[l] = sqrt(a[l]);
    return a;
}

INLINE void map_cells(const Cells *c, const int32_t *cell, Geometry *g)
{
    many edge[3][3], inverse[3][3]; /* edge[x][r] = d x / d X_r */
    EACH(l, LANES) {
        const int32_t *corner = c->corner + (int64_t)CORNERS * cell[l];
        EACH(x, 3) EACH(r, 3) edge[x][r][l] = c->place[3 * corner[r + 1] + x] - c->place[3 * corner[0] + x];
    }
    EACH(r, 3) EACH(x, 3) {
        int r1 = (r + 1) % 3, r2 = (r + 2) % 3, x1 = (x + 1) % 3, x2 = (x + 2) % 3;
        inverse[r][x] = edge[x1][r1] * edge[x2][r2] - edge[x1][r2] * edge[x2][r1];
    }
    many volume = edge[0][0] * inverse[0][0] + edge[1][0] * inverse[0][1] + edge[2][0] * inverse[0][2];
    EACH(r, 3) EACH(x, 3) g->inverse[r][x] = inverse[r][x] / volume;
    EACH(l, LANES) g->size[l] = fabs(volume[l]);
    g->metric_norm = g->metric_trace = volume * 0.0;
    EACH(x, 3) EACH(y, 3) {
        many m = volume * 0.0;
        EACH(r, 3) m += g->inverse[r][x] * g->inverse[r][y];
        g->metric[x][y] = m;
        g->metric_norm += m * m;
        if (x == y) g->metric_trace += m;
    }
}

INLINE void read_flow(const Cells *c, const int32_t *cell, Geometry *g)
{
    static const int first[6] = {0, 0, 0, 1, 1, 2}, second[6] = {0, 1, 2, 1, 2, 2};
    const many zero = g->size * 0.0;
    EACH(l, LANES) {
        const int32_t *dof = c->dof + (int64_t)ROWS * cell[l];
        EACH(i, NODES) EACH(a, 3) {
            g->velocity[i][a][l] = c->state[dof[3 * i + a]];
            g->past[i][a][l] = c->past ? c->past[dof[3 * i + a]] : 0.0;
        }
        EACH(i, CORNERS) g->pressure[i][l] = c->scale * c->state[dof[3 * NODES + i]];
        g->leak[l] = c->leak ? c->leak[cell[l]] : 0.0;
        g->leak_level[l] = c->leak ? c->leak_level[cell[l]] : 0.0;
    }
    EACH(x, 3) g->pressure_slope[x] = g->flow_laplacian[x] = zero;
    EACH(i, CORNERS) EACH(x, 3) {
        many slope = zero;
        EACH(r, 3) slope += c->linear_slope[3 * i + r] * g->inverse[r][x];
        g->linear_slope[i][x] = slope;
        g->pressure_slope[x] += slope * g->pressure[i];
    }
    EACH(i, NODES) {
        many sum = zero;
        EACH(k, 6) {
            many both = zero;
            EACH(x, 3) both += g->inverse[first[k]][x] * g->inverse[second[k]][x];
            sum += c->curvature[6 * i + k] * (first[k] == second[k] ? 1.0 : 2.0) * both;
        }
        g->laplacian[i] = sum;
        EACH(x, 3) g->flow_laplacian[x] += sum * g->velocity[i][x];
    }
}

INLINE void look_at(const Cells *c, const Geometry *g, int q, Point *at)
{
    const many zero = g->size * 0.0;
    many past[3], pressure = zero, divergence = zero;
    EACH(a, 3) {
        at->velocity[a] = past[a] = zero;
        EACH(b, 3) at->gradient[a][b] = zero;
    }
    EACH(i, NODES) {
        const double value = c->value[NODES * q + i], *slope = c->slope + 3 * (NODES * q + i);
        EACH(b, 3) at->slope[i][b] = slope[0] * g->inverse[0][b] + slope[1] * g->inverse[1][b] + slope[2] * g->inverse[2][b];
        EACH(a, 3) {
            at->velocity[a] += value * g->velocity[i][a];
            past[a] += value * g->past[i][a];
            EACH(b, 3) at->gradient[a][b] += g->velocity[i][a] * at->slope[i][b];
        }
    }
    EACH(i, NODES) {
        at->along[i] = zero;
        EACH(b, 3) at->along[i] += at->velocity[b] * at->slope[i][b];
    }
    EACH(i, CORNERS) pressure += c->linear[CORNERS * q + i] * g->pressure[i];
    many stretch[3], speed = zero, squared = zero;
    EACH(b, 3) {
        stretch[b] = zero;
        EACH(x, 3) stretch[b] += g->metric[b][x] * at->velocity[x];
        speed += at->velocity[b] * stretch[b];
        squared += at->velocity[b] * at->velocity[b];
        divergence += at->gradient[b][b];
    }
    const double nu = c->viscosity / c->density;
    many tau = 1.0 / root(4.0 * speed + 576.0 * nu * nu * g->metric_norm);
    at->weight = c->weight[q] * g->size;
    at->leak = g->leak;
    at->streamline = at->weight * c->streamline * tau;
    at->bulk = at->weight * c->grad_div * c->density / (tau * g->metric_trace);
    at->spreading = divergence + g->leak * (pressure + 0.5 * c->density * squared - g->leak_level);
    EACH(a, 3) {
        many strong = g->pressure_slope[a] - c->viscosity * g->flow_laplacian[a];
        EACH(b, 3) strong += c->density * at->gradient[a][b] * at->velocity[b];
        if (c->past) strong += c->density_rate * at->velocity[a] + c->density * past[a];
        at->strong[a] = strong;
        at->turn[a] = -4.0 * tau * tau * stretch[a]; /* the change of log tau with u_a */
    }
}

/* What Newton's method has beyond Picard's, tested by node i's component a and for du_b = 1. */
INLINE many newton_term(const Cells *c, const Point *at, many value, many upwind, int i, int a, int b)
{
    many term = c->density * at->gradient[a][b] * (value + upwind);
    term += at->strong[a] * (at->streamline * at->slope[i][b] + upwind * at->turn[b]);
    term += at->bulk * at->slope[i][a] * (c->density * at->leak * at->velocity[b] - at->spreading * at->turn[b]);
    return c->newton * term;
}

INLINE void velocity_block(const Cells *c, const Geometry *g, const Point *at, many (*matrix)[ROWS])
{
    const many zero = g->size * 0.0;
    const double in_strong = c->past ? c->density_rate : 0.0;
    EACH(i, NODES) {
        many value[POINTS], upwind[POINTS], upwinding = zero;
        EACH(q, POINTS) {
            value[q] = at[q].weight * c->value[NODES * q + i];
            upwind[q] = at[q].streamline * at[q].along[i];
            upwinding += upwind[q];
        }
        EACH(j, NODES) {
            many same = -c->viscosity * g->laplacian[j] * upwinding;
            EACH(q, POINTS) {
                same += c->density * (value[q] + upwind[q]) * at[q].along[j];
                EACH(x, 3) same += c->viscosity * at[q].weight * at[q].slope[i][x] * at[q].slope[j][x];
            }
            EACH(a, 3) EACH(b, 3) matrix[3 * i + a][3 * j + b] = a == b ? same : zero;
        }
        EACH(a, 3) {
            many spread[POINTS];
            EACH(q, POINTS) spread[q] = at[q].bulk * at[q].slope[i][a];
            EACH(b, 3) {
                many change[POINTS];
                EACH(q, POINTS) {
                    change[q] = newton_term(c, at + q, value[q], upwind[q], i, a, b);
                    if (a == b) change[q] += c->density_rate * value[q] + in_strong * upwind[q];
                }
                EACH(j, NODES) {
                    many sum = zero;
                    EACH(q, POINTS) sum += change[q] * c->value[NODES * q + j] + spread[q] * at[q].slope[j][b];
                    matrix[3 * i + a][3 * j + b] += sum;
                }
            }
        }
    }
}

INLINE void pressure_blocks(const Cells *c, const Geometry *g, const Point *at, many (*matrix)[ROWS])
{
    const many zero = g->size * 0.0;
    EACH(i, NODES) EACH(a, 3) {
        many upwinding = zero;
        EACH(q, POINTS) upwinding += at[q].streamline * at[q].along[i];
        EACH(j, CORNERS) {
            many row = upwinding * g->linear_slope[j][a], column = zero;
            EACH(q, POINTS) {
                double linear = c->linear[CORNERS * q + j];
                many weighted = at[q].weight * at[q].slope[i][a];
                row += linear * (at[q].bulk * at[q].leak * at[q].slope[i][a] - weighted);
                many leaking = at[q].weight * at[q].leak * c->density * at[q].velocity[a];
                column -= linear * (weighted + c->newton * c->value[NODES * q + i] * leaking);
            }
            matrix[3 * i + a][3 * NODES + j] = c->scale * row;
            matrix[3 * NODES + j][3 * i + a] = c->scale * column;
        }
    }
    EACH(i, CORNERS) EACH(j, CORNERS) {
        many sum = zero;
        EACH(q, POINTS) sum -= at[q].weight * at[q].leak * (c->linear[CORNERS * q + i] * c->linear[CORNERS * q + j]);
        matrix[3 * NODES + i][3 * NODES + j] = c->scale * c->scale * sum;
    }
}

INLINE void tabulate(const Cells *c, const int32_t *cell, many (*matrix)[ROWS])
{
    Geometry g;
    Point at[POINTS];
    map_cells(c, cell, &g);
    read_flow(c, cell, &g);
    EACH(q, POINTS) look_at(c, &g, q, at + q);
    velocity_block(c, &g, at, matrix);
    pressure_blocks(c, &g, at, matrix);
}

INLINE void add_to_rows(const Cells *c, int32_t cell, int lane, many (*matrix)[ROWS])
{
    const int32_t *dof = c->dof + (int64_t)ROWS * cell;
    EACH(j, ROWS) if (!c->held[dof[j]]) c->where[dof[j]] = (uint8_t)j;
    EACH(i, ROWS) {
        if (c->held[dof[i]]) continue;
        double row[ROWS + 1];
        EACH(j, ROWS) row[j] = matrix[i][j][lane];
        row[NOWHERE] = 0.0;
        for (int32_t k = c->start[dof[i]]; k < c->start[dof[i] + 1]; ++k) c->entry[k] += row[c->where[c->column[k]]];
    }
    EACH(j, ROWS) c->where[dof[j]] = NOWHERE;
}

/* The cells of one go, the last of them again where there are fewer. */
INLINE int some(const int32_t *cells, int64_t from, int64_t count, int32_t *cell)
{
    int number = count - from < LANES ? (int)(count - from) : LANES;
    EACH(l, LANES) cell[l] = cells[from + (l < number ? l : number - 1)];
    return number;
}

FAST void add_jacobians(const Cells *c, const int32_t *cells, int64_t count)
{
    many matrix[ROWS][ROWS];
    int32_t cell[LANES];
    for (int64_t from = 0; from < count; from += LANES) {
        int number = some(cells, from, count, cell);
        tabulate(c, cell, matrix);
        EACH(l, number) add_to_rows(c, cell[l], l, matrix);
    }
}

FAST void write_jacobians(const Cells *c, const int32_t *cells, int64_t count, double *out)
{
    many matrix[ROWS][ROWS];
    int32_t cell[LANES];
    for (int64_t from = 0; from < count; from += LANES) {
        int number = some(cells, from, count, cell);
        tabulate(c, cell, matrix);
        EACH(l, number) {
            const int32_t *dof = c->dof + (int64_t)ROWS * cell[l];
            EACH(i, ROWS) EACH(j, ROWS) *out++ = c->held[dof[i]] || c->held[dof[j]] ? 0.0 : matrix[i][j][l];
        }
    }
}
