/* A libnvidia-ml.so.1 with two GPUs, of which the second has two MIG slices: the signatures are those of
   NVIDIA's nvml.h, so the calls by ctypes are held against the real ABI, if not against the real thing. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct gpu { const char *uuid, *name; unsigned long long memory; int major, minor; } *nvmlDevice_t;
typedef struct { unsigned long long total, free, used; } nvmlMemory_t;
typedef struct { unsigned gpu, memory; } nvmlUtilization_t;

static struct gpu gpus[] = {
    {"GPU-aaaaaaaa-0000-0000-0000-000000000001", "Fake A", 40ull << 30, 8, 0},
    {"GPU-bbbbbbbb-0000-0000-0000-000000000002", "Fake B", 80ull << 30, 9, 0},
};
static struct gpu slices[] = {
    {"MIG-cccccccc-0000-0000-0000-000000000003", "Fake B MIG 1g.10gb", 10ull << 30, 0, 0},
    {"MIG-dddddddd-0000-0000-0000-000000000004", "Fake B MIG 2g.20gb", 20ull << 30, 0, 0},
};

int nvmlInit_v2(void) {
    if (getenv("FAKE_NVML_HANGS")) pause();
    return getenv("FAKE_NVML_FAILS") ? 9 : 0; /* NVML_ERROR_DRIVER_NOT_LOADED */
}
int nvmlShutdown(void) { return 0; }
int nvmlSystemGetDriverVersion(char *text, unsigned size) { snprintf(text, size, "550.54.15"); return 0; }
int nvmlSystemGetCudaDriverVersion_v2(int *version) { *version = 12040; return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 3; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, nvmlDevice_t *device) {
    if (index > 1) return 15; /* NVML_ERROR_GPU_IS_LOST */
    *device = &gpus[index];
    return 0;
}
int nvmlDeviceGetUUID(nvmlDevice_t d, char *text, unsigned size) { snprintf(text, size, "%s", d->uuid); return 0; }
int nvmlDeviceGetName(nvmlDevice_t d, char *text, unsigned size) { snprintf(text, size, "%s", d->name); return 0; }
int nvmlDeviceGetMemoryInfo(nvmlDevice_t d, nvmlMemory_t *memory) {
    memory->total = d->memory, memory->used = d->memory / 10;
    return 0;
}
static int is_slice(nvmlDevice_t d) { return d == &slices[0] || d == &slices[1]; }
int nvmlDeviceGetUtilizationRates(nvmlDevice_t d, nvmlUtilization_t *rates) {
    if (is_slice(d)) return 3; /* NVML_ERROR_NOT_SUPPORTED */
    rates->gpu = 12, rates->memory = 34;
    return 0;
}
int nvmlDeviceGetTotalEnergyConsumption(nvmlDevice_t d, unsigned long long *millijoules) {
    if (is_slice(d)) return 3;
    *millijoules = 34000;
    return 0;
}
int nvmlDeviceGetCudaComputeCapability(nvmlDevice_t d, int *major, int *minor) {
    *major = d->major, *minor = d->minor;
    return 0;
}
int nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t d, unsigned *count) {
    *count = d == &gpus[1] ? 7 : 0;
    return 0;
}
int nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t d, unsigned index, nvmlDevice_t *slice) {
    if (d != &gpus[1] || index > 1) return 6; /* NVML_ERROR_NOT_FOUND */
    *slice = &slices[index];
    return 0;
}
