// A KMS of the caller's from C++, settings, and what is done to keys.

#ifndef KMS_HPP
#define KMS_HPP

#include <string>

void test_own_kms(const std::string &folder);
void test_administration(const std::string &folder);
void test_log(const std::string &folder);
void test_settings();

#endif
