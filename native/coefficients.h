// The three minimax fits (iteratively reweighted least squares) behind the normal quantile, lowest power
// first; made together, so that the quantile stays within 3e-7 relative in float32.
#pragma once

namespace {

// log2(1 + f) / f on sqrt(1/2) - 1 <= f <= sqrt(2) - 1.
constexpr float LOG2[] = {1.4426948f,  -0.7213571f,  0.4809394f,  -0.3600881f,
                          0.28670856f, -0.25006127f, 0.23688231f, -0.1457571f};

// z / x as a polynomial in log2(1 - x^2) + 4, for log2(1 - x^2) >= -8.
constexpr float CENTRE[] = {2.2179198f,    -0.23928215f,    -0.0034693f,     0.00048026117f, 6.7973895e-05f,
                            2.2225715e-06f, -4.0597916e-07f, -5.1821093e-08f, 4.639896e-10f,  3.784134e-10f};

// z / x as a polynomial in sqrt(-log2(1 - x^2)) - 4.1875 beyond that.
constexpr float TAIL[] = {4.697604f,       1.1859801f,     0.003301341f,    -0.0017412571f, 0.00075371756f,
                          -0.00038674363f, 0.00024577454f, -0.000110627916f, 6.480765e-06f,  8.2377965e-06f};

}  // namespace
