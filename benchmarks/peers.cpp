// HOG of Felzenszwalb et al. by dlib and by VLFeat, for benchmarks/features.py: neither has it for Python any more.
// Debian: apt-get install g++ libdlib-dev libvlfeat-dev. Each is left out where its headers are missing.

#include <cstring>
#include <vector>

#if __has_include(<dlib/image_transforms/fhog.h>)
#include <dlib/array2d.h>
#include <dlib/image_transforms/fhog.h>

template <typename Pixel>
static void dlib_features(const unsigned char *pixels, long height, long width, int cell, float *out)
{
    static thread_local dlib::array2d<Pixel> image;
    static thread_local dlib::array2d<dlib::matrix<float, 31, 1>> features;
    image.set_size(height, width);
    std::memcpy(dlib::image_data(image), pixels, height * width * sizeof(Pixel));
    dlib::extract_fhog_features(image, features, cell);
    for (long y = 0; y < features.nr(); y++)
        for (long x = 0; x < features.nc(); x++, out += 31)
            std::memcpy(out, &features[y][x](0), 31 * sizeof(float));
}

extern "C" void dlib_fhog(const unsigned char *pixels, long height, long width, int channels, int cell, float *out)
{
    if (channels == 3)
        dlib_features<dlib::rgb_pixel>(pixels, height, width, cell, out);
    else
        dlib_features<unsigned char>(pixels, height, width, cell, out);
}
#endif

#if __has_include(<vl/hog.h>)
extern "C" {
#include <vl/hog.h>

// 31 planes of (height + cell / 2) / cell rows: VLFeat describes the cells at the border too.
void vl_fhog(const unsigned char *pixels, long height, long width, int channels, int cell, float *out)
{
    static thread_local std::vector<float> planes;
    planes.resize(height * width * channels);
    for (long k = 0; k < height * width; k++)
        for (int c = 0; c < channels; c++)
            planes[c * height * width + k] = pixels[k * channels + c];
    VlHog *hog = vl_hog_new(VlHogVariantUoctti, 9, VL_FALSE);
    vl_hog_put_image(hog, planes.data(), width, height, channels, cell);
    vl_hog_extract(hog, out);
    vl_hog_delete(hog);
}
}
#endif
