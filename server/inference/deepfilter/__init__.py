"""DeepFilterNet 2 and 3 as a stream: one step advances any number of streams by 10 ms.

H. Schröter et al., "DeepFilterNet2: Towards Real-Time Speech Enhancement on Embedded Devices for Full-Band Audio"
(2022) and "DeepFilterNet: Perceptually Motivated Real-Time Speech Enhancement" (2023). Runs the published weights;
needs torch and numpy only.
"""
