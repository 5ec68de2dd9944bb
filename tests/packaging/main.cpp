// As main.c, in C++17.

#include <cstdio>
#include <string>
#include <vector>

#include <tablecrypt.hpp>

int main(int argc, char **argv) {
    if (argc != 2 || !tablecrypt::is_compatible()) {
        return 2;
    }
    auto service = tablecrypt::service::open_local(argv[1]);
    if (!service || service->create_table({"pages", {}, {}}) != TABLECRYPT_OK) {
        return 1;
    }
    auto connection = service->connect();
    if (!connection) {
        return 1;
    }
    auto table = connection->open_table("pages");
    if (!table) {
        return 1;
    }
    auto base = table->base();
    if (!base) {
        return 1;
    }
    const std::string text = "a page";
    auto record = base->seal("page 7", text);
    if (!record) {
        return 1;
    }
    auto opened = base->open("page 7", *record);
    if (!opened || tablecrypt::view(*opened).text() != text) {
        return 1;
    }
    std::printf("tablecrypt %s\n", std::string(tablecrypt::version()).c_str());
    return 0;
}
