// A KMS of the caller's from C++, and settings.

#ifndef KMS_HPP
#define KMS_HPP

#include <string>

void test_own_kms(const std::string &folder);
void test_settings();

#endif
