// The part of the C++ program that forges.

#ifndef FORGERY_HPP
#define FORGERY_HPP

#include "tablecrypt.hpp"

void test_forged_messages();
void test_forged_records(const tablecrypt::structure &structure);

#endif
